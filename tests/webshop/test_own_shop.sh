#!/bin/sh
# cartwright import shop: a table of products into a shop that opens, and bad rows by name.
. "$srcdir/tests/tap.sh"
CARTWRIGHT_PLUGIN_PATH=

run 0 import shop "$srcdir/examples/products.csv" --into own --quiet
same "items_human_ins.json items_ins_v2_1000.json items_shuffle_1000.json" "$status$(ls own | tr '\n' ' ' | sed 's/ $//')" \
  "a table becomes WebShop's three files"
cat >own.yaml <<'YAML'
name: own
environment: {plugin: shop, shop: own}
evaluate: {split: all, episodes: 20, agents: [oracle]}
YAML
run 0 evaluate own.yaml
same 1 "$status$(grep -c '^oracle .* 100.0 ' out)" "every goal of it can be reached"
sed 's/plugin: shop/plugin: webshop/' own.yaml >webshop.yaml
run 0 search webshop.yaml <<'JSON'
{"query": "frost resistant planter"}
JSON
same 1 "$status$(grep -c '"total":' out)" "webshop opens the folder too"

cat >bad.csv <<'CSV'
title,price,options
A lamp,12.50,
,3,
"B
two lines",twelve,
C,4,red
D,5
CSV
fails 1 "cartwright: error: environment 'shop': 4 of 5 rows cannot be sold; mend them, or leave them out with skip_bad=true:
bad.csv:3: no title
bad.csv:4: the price is no amount such as 12.50 or \$9.99 - \$19.99
bad.csv:6: the options are not of the form 'color: red | blue; size: s | m'
bad.csv:7: 2 cells where the first line names 3" "bad rows are named, all at once" import shop products_file=bad.csv --into none --quiet
test ! -e none
ok $? "and nothing is written"
run 0 import shop bad.csv skip_bad=true --into some --quiet
same 1 "$status$(grep -o '"asin"' some/items_shuffle_1000.json | wc -l | tr -d ' ')" "skip_bad leaves them out"

printf '%s\n' '{"title": "Tea, black", "price": 4, "bullets": ["Loose leaf"], "options": {"size": ["100 g", "200 g"]}, "query": "tea"}' >tea.jsonl
run 0 import shop tea.jsonl --into tea --quiet
same '"instruction": "Find me loose leaf, tea black tea"' "$status$(grep -o '"instruction": "[^"]*"' tea/items_ins_v2_1000.json)" \
  "JSON Lines are read, attributes made from bullets and title"
printf 'title,price\n"open,1\n' >open.csv
fails 1 "cartwright: error: environment 'shop': open.csv:2: a quote is opened here and never closed" "a broken table is named" \
  import shop open.csv --into none --quiet
finish
