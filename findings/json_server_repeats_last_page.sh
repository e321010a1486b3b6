#!/usr/bin/env bash
# A list of four products requested from json-server in pages of two. Needs Node.js, curl and a free port 4555; installs json-server
# 1.0.0-beta.3 in a temporary folder. Observed on 2026-11-30.
#
# Expected: the page behind the last one is empty (or a 404), as in most APIs, so a reader may stop at the first page that is empty
#   or shorter than it asked for.
# Observed: every page behind the last one is the last page again, with status 200; its `next` is null. Page 0 is the whole list,
#   without the object around it.
#
# Why it matters: a reader that counts pages until one is not full never ends if the last page is full, or adds the last page's
# quantities again and again. Magento's REST API repeats its last page in the same way. Read `next` or `items`, and refuse a page with
# the same records as an earlier one.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund json-server@1.0.0-beta.3 >>npm.log 2>&1
node --version
echo '{"stock":[{"id":"1","qty":1},{"id":"2","qty":2},{"id":"3","qty":3},{"id":"4","qty":4}]}' >db.json
node node_modules/json-server/lib/bin.js db.json --host 127.0.0.1 --port 4555 >server.log 2>&1 &
server=$!
url="http://127.0.0.1:4555/stock?_per_page=2&_page="
for _ in $(seq 50); do
  curl --silent --fail --output ready.json "${url}1" && break
  sleep 0.2
done
cat >finding.js <<'JAVASCRIPT'
const url = process.argv[2];
const expected = { 1: "1,2 next 2", 2: "3,4 next null", 3: "3,4 next null", 99: "3,4 next null", 0: "1,2,3,4 next undefined" };
(async () => {
  console.log("json-server", require("json-server/package.json").version);
  const changed = [];
  for (const [page, wanted] of Object.entries(expected)) {
    const response = await fetch(url + page);
    const body = await response.json();
    const ids = (body.data ?? body).map((item) => item.id);
    const seen = `${ids} next ${body.next}`;
    console.log(`page ${page}: status ${response.status}, ids ${seen}`);
    if (response.status !== 200 || seen !== wanted) changed.push(`page ${page}: ${seen}, not ${wanted}`);
  }
  if (changed.length) {
    console.error("changed: " + changed.join("; "));
    process.exit(1);
  }
})();
JAVASCRIPT
node finding.js "$url"
