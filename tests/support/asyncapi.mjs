/** What AsyncAPI's own parser makes of the document on stdin: its errors, and what it read. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../scripts/page/package.json", import.meta.url));
const { Parser } = require("@asyncapi/parser");

const text = readFileSync(0, "utf8");
const { document, diagnostics } = await new Parser().parse(text);
const errors = diagnostics
  .filter(({ severity }) => severity <= 1)
  .map(({ message, path }) => `${path.join(".")}: ${message}`);
const operations = Object.fromEntries(
  (document?.operations().all() ?? []).map((operation) => [
    operation.id(),
    {
      action: operation.action(),
      channel: operation.channels().all()[0].address(),
      messages: operation.messages().all().map((message) => message.name()),
      reply: operation.reply()?.messages().all().map((message) => message.name()) ?? null,
    },
  ]),
);

const patterns = [];
JSON.parse(text, (key, value) => {
  if (key === "pattern" && typeof value === "string") patterns.push(new RegExp(value, "u").source);
  return value;
});
process.stdout.write(JSON.stringify({ errors, operations, patterns: patterns.length }));
