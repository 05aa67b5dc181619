#!/bin/sh
# Makes a shop of WebShop's full size, imports it, and measures the shop file:
#
#   bench/shop_file.sh [PRODUCTS] [FOLDER]
#
# PRODUCTS: 1180000. FOLDER, new or empty, keeps the files (2.5 GB for the full
# size); without it they are removed. $builddir names the build tree (build/ at the
# root), in which `make bench` has been run. Time and peak memory of the import
# need GNU time.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
builddir=${builddir:-$root/build}
products=${1:-1180000}
folder=${2:-}
if [ -z "$folder" ]; then
  folder=$(mktemp -d "${TMPDIR:-/tmp}/cartwright-shop-file-XXXXXX")
  trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"

# measured WHAT COMMAND...: its wall time and peak of resident memory.
measured() {
  what=$1
  shift
  if time --version 2>&1 | grep -q GNU || [ -x /usr/bin/time ]; then
    /usr/bin/time -f "$what: %e s, %U s of processor, peak %M KiB" "$@"
  else
    "$@"
  fi
}

measured "export of $products products" \
  "$builddir/cartwright" export synthetic products="$products" --into "$folder/json" --quiet
ls -l "$folder/json"
measured "import" "$builddir/cartwright" import webshop shop="$folder/json" items_file=items_shuffle.json \
  attributes_file=items_ins_v2.json --into "$folder/shop.cwshop" --quiet
ls -l "$folder/shop.cwshop"
"$builddir/bench/bench_shop_file" "$folder/shop.cwshop"
