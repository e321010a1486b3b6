#!/usr/bin/env bash
# A CSV stock list read with the CSV reader of ExcelJS and written as XLSX. Needs Node.js; installs exceljs 4.4.0 in a temporary
# folder. Observed on 2026-11-30.
#
# Expected: like spreadsheets do, `0012` becomes the number 12, and a field of blanks stays text or becomes an empty cell.
# Observed: the reader converts with JavaScript's Number(): a field of blanks becomes the number 0 (an empty field stays empty),
#   `0x1F` becomes 31, `0b11` becomes 3, `0o17` becomes 15; `1,000` and `1_000` stay text.
#
# Why it matters: a program that pads its columns writes "not counted" as blanks. After this conversion the file says "none left",
# in a proper number cell, and no rule of the reader can see it: the product is sold out. And ids such as `0b11`, `3` and
# `0x3` become one product. Compare the CSV that the vendor keeps with the XLSX that arrives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >npm.log
npm install --silent --no-audit --no-fund exceljs@4.4.0 >>npm.log 2>&1
node --version
cat >finding.js <<'JAVASCRIPT'
const fs = require("fs");
const ExcelJS = require("exceljs");

const rows = [
  ["A-1", "   ", 0], ["A-2", '" "', 0], ["A-3", "", undefined], ["A-4", '""', undefined], ["A-5", "0x1F", 31],
  ["A-6", "0b11", 3], ["A-7", "0o17", 15], ["A-8", "1e3", 1000], ["A-9", "1_000", "1_000"], ["A-10", '"1,000"', "1,000"],
];
fs.writeFileSync("stock.csv", "sku,quantity\n" + rows.map(([sku, text]) => `${sku},${text}\n`).join(""));

(async () => {
  console.log("exceljs", require("exceljs/package.json").version);
  const workbook = new ExcelJS.Workbook();
  await workbook.csv.readFile("stock.csv");
  await workbook.xlsx.writeFile("stock.xlsx");
  const again = new ExcelJS.Workbook();
  await again.xlsx.readFile("stock.xlsx");
  const sheet = again.worksheets[0];
  const changed = [];
  rows.forEach(([sku, text, expected], index) => {
    const row = sheet.getRow(index + 2);
    const seen = row.getCell(2).value ?? undefined;
    console.log(`${row.getCell(1).value}: ${JSON.stringify(text)} became ${typeof seen} ${JSON.stringify(seen)}`);
    if (seen !== expected) changed.push(`${sku}: ${seen}, not ${expected}`);
  });
  if (changed.length) {
    console.error("changed: " + changed.join("; "));
    process.exit(1);
  }
})();
JAVASCRIPT
node finding.js
