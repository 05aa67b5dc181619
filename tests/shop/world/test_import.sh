#!/bin/sh
# cartwright import webshop and export synthetic, and shop files that are not whole.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH=
XDG_CACHE_HOME="$scratch/cache"
export XDG_CACHE_HOME
data="$srcdir/tests/shop/data"
names="items_file=items.json attributes_file=attributes.json human_file=human.json"

# nothing_left NAME: no file whose name starts with x.
nothing_left() {
  same "" "$(ls | grep '^x')" "$1"
}

# The same shop from the folder and from the file.
run 0 import webshop "shop=$data" $names --into shop.cwshop --quiet
same "shop.cwshop" "$status$(ls *.cwshop*)" "import writes one file"
cat >folder.yaml <<YAML
environment: {plugin: webshop, shop: "$data", items_file: items.json, attributes_file: attributes.json, human_file: human.json}
YAML
cat >file.yaml <<YAML
environment: {plugin: webshop, shop: shop.cwshop}
YAML
printf 'shoes\nlamp for the desk\nnothing of the kind\n' >queries
run 0 search folder.yaml <queries
mv out expected
run 0 search file.yaml <queries
same "" "$status$(diff expected out)" "a search in the file is a search in the folder"
for goals in synthetic human; do
  "$cartwright" generate folder.yaml --set environment.goals=$goals --agent random --split all --episodes 7 --out a.jsonl --quiet >/dev/null
  run 0 generate file.yaml --set environment.goals=$goals --agent random --split all --episodes 7 --out b.jsonl --quiet
  same "" "$status$(cmp a.jsonl b.jsonl 2>&1)" "$goals episodes are the same"
done
fails 2 "cartwright: error: environment 'webshop': 'products' was given, but 'shop.cwshop' is a file and not a folder: a shop file holds what it was imported from; give 'products' to 'cartwright import webshop' instead" \
  "what belongs to a folder is refused for a file" search file.yaml --set environment.products=3

# A made-up shop, exported and imported, is that shop.
run 0 export synthetic products=200 --into made --quiet
same "items_ins_v2.json
items_shuffle.json" "$status$(ls made)" "export writes WebShop's files"
run 0 import webshop shop=made items_file=items_shuffle.json attributes_file=items_ins_v2.json --into made.cwshop --quiet
cat >made.yaml <<YAML
environment: {plugin: webshop, shop: made.cwshop}
YAML
cat >synthetic.yaml <<YAML
environment: {plugin: synthetic, products: 200}
YAML
for config in made synthetic; do
  "$cartwright" generate $config.yaml --agent expert --split test --episodes 10 --out $config.jsonl --quiet >/dev/null
  sed 's/webshop_/synthetic_/' $config.jsonl >$config.txt
done
same "$(cat synthetic.txt | cksum)" "$(cat made.txt | cksum)" "the made-up shop survives export and import"

# GLib's generator of before 2.2 would draw other goals.
G_RANDOM_VERSION=2.0
export G_RANDOM_VERSION
fails 1 "cartwright: error: environment 'synthetic': GLib's random numbers are not those that WebShop's goals are drawn with: G_RANDOM_VERSION is set to '2.0'; unset it" \
  "another generator is refused" search synthetic.yaml
unset G_RANDOM_VERSION

# Sources that are not right.
mkdir bad
for file in attributes human; do cat "$data/$file.json" >"bad/$file.json"; done
head -c 1500 "$data/items.json" >bad/items.json
fails 1 "cartwright: error: environment 'webshop': bad/items.json:4:311: the file ends inside the element that starts at line 4, byte 1190: it is truncated (byte 1500)" \
  "a truncated list of products" import webshop shop=bad $names --into x.cwshop --quiet
sed '3s/"asin": /"asin" /' "$data/items.json" >bad/items.json
run 1 import webshop shop=bad $names --into x.cwshop --quiet
same "cartwright: error: environment 'webshop': bad/items.json:3:20: not valid JSON: ':' expected near '\"B0TSTSHOE2\"' (byte 667)" \
  "$status$(cat err)" "bad JSON in the middle is located"
nothing_left "and leaves nothing"
fails 2 "cartwright: error: environment 'webshop': 'bad/none.json' is not there; copy it into the shop folder, or name the file to read with 'items_file'" \
  "products that are not there" import webshop shop=bad items_file=none.json --into x.cwshop --quiet

# Files that are not right.
printf 'x' | dd of=shop.cwshop bs=1 seek=3000 conv=notrunc 2>/dev/null
run 1 search file.yaml <queries
same "cartwright: error: environment 'webshop': shop.cwshop: is corrupted: the checksum of bytes 64 to " \
  "$status$(sed 's/\(bytes 64 to \).*/\1/' err)" "a corrupted file is refused by name"
head -c 9000 made.cwshop >shop.cwshop
run 1 search file.yaml <queries
same "cartwright: error: environment 'webshop': shop.cwshop: is truncated: expected $(($(wc -c <made.cwshop))) bytes, found 9000; copy it again, or make it again with 'cartwright import'" \
  "$status$(cat err)" "a truncated file is refused by name"
cat "$data/items.json" >shop.cwshop
fails 1 "cartwright: error: environment 'webshop': shop.cwshop: expected a shop file made by 'cartwright import', found something else, or one whose import did not finish" \
  "JSON is no shop file" search file.yaml

finish
