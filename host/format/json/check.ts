/**
 * Checks a JSON value against one of our schemas: the first thing wrong, with its path. So what the
 * published schema says is what the program does. It understands what `Schema` lists and no more.
 */
import { ErrorCode } from "../../../assembly/format/errors.ts";
import { StorageError } from "../../base/errors.ts";
import { quoted } from "../record.ts";
import type { Schema } from "./schema.ts";

/** JSON that is no record: EINVAL, with the path of what is wrong. */
export class JsonError extends StorageError {
  /** Such as `services[0].caps[1].source`; "" is the whole. */
  readonly place: string;
  /** "schema": the published schema refuses it too. "value": a rule that no schema can say. */
  readonly kind: "schema" | "value";

  constructor(place: string, what: string, kind: JsonError["kind"], cause?: unknown) {
    const where = place === "" ? "" : `${place}: `;
    super(ErrorCode.EINVAL, "json", { message: `EINVAL: ${where}${what}.`, cause });
    this.place = place;
    this.kind = kind;
  }
}

/** @throws {JsonError} kind "schema": the value is not what the schema describes */
export function checkJson(schema: Schema, value: unknown): void {
  check(schema, value, "");
}

/** The path of a field inside `place`; a name that is no plain word is quoted. */
export function fieldPath(place: string, field: string): string {
  if (!/^[$A-Za-z_]\w*$/.test(field)) return `${place}[${quoted(field)}]`;
  return place === "" ? field : `${place}.${field}`;
}

function check(schema: Schema, value: unknown, place: string): void {
  const { type } = schema;
  const kind = kindOf(value);
  if (type !== undefined && !isOneOf(type, kind, value)) {
    refuse(place, `${kind}, not ${typeof type === "string" ? type : type.join(" or ")}`);
  }
  if (schema.const !== undefined && value !== schema.const) {
    refuse(place, `${show(value)}, not ${JSON.stringify(schema.const)}`);
  }
  if (schema.enum !== undefined && !schema.enum.includes(value as string)) {
    refuse(place, `${show(value)} is not one of ${schema.enum.join(", ")}`);
  }
  if (typeof value === "string") checkText(schema, value, place);
  else if (typeof value === "number") checkNumber(schema, value, place);
  else if (Array.isArray(value)) checkArray(schema, value, place);
  else if (kind === "object") checkObject(schema, value as Record<string, unknown>, place);
}

function checkText(schema: Schema, text: string, place: string): void {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern } = schema;
  // A character takes one or two units, so most texts need no counting.
  const characters = text.length > maxLength && text.length <= 2 * maxLength ? [...text] : text;
  if (characters.length < minLength) refuse(place, `shorter than ${minLength} characters`);
  if (characters.length > maxLength) refuse(place, `longer than ${maxLength} characters`);
  if (pattern !== undefined && !new RegExp(pattern, "u").test(text)) {
    refuse(place, `${quoted(text)} is not of the form ${pattern}`);
  }
}

function checkNumber(schema: Schema, value: number, place: string): void {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  if (value < minimum) refuse(place, `${value} is below ${minimum}`);
  if (value > maximum) refuse(place, `${value} is above ${maximum}`);
}

function checkArray(schema: Schema, items: readonly unknown[], place: string): void {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
  if (items.length < minItems) refuse(place, `${items.length} entries, ${minItems} at least`);
  if (items.length > maxItems) refuse(place, `${items.length} entries, ${maxItems} at most`);
  const seen = new Set<unknown>();
  for (const [index, item] of items.entries()) {
    const where = `${place}[${index}]`;
    if (schema.items !== undefined) check(schema.items, item, where);
    if (schema.uniqueItems && seen.has(item)) refuse(where, `${show(item)} is there twice`);
    seen.add(item);
  }
}

function checkObject(schema: Schema, value: Readonly<Record<string, unknown>>, place: string) {
  const { properties = {}, required = [], minProperties = 0, maxProperties } = schema;
  const names = Object.keys(value);
  for (const name of names) {
    if (Object.hasOwn(properties, name)) continue;
    if (schema.additionalProperties === false) refuse(fieldPath(place, name), "unknown field");
  }
  for (const name of required) {
    if (!Object.hasOwn(value, name)) refuse(fieldPath(place, name), "missing field");
  }
  const expected = Object.keys(properties).join(", ");
  if (names.length < minProperties) refuse(place, `needs one of ${expected}`);
  if (maxProperties !== undefined && names.length > maxProperties) {
    refuse(place, `takes only one of ${expected}`);
  }
  for (const [name, inner] of Object.entries(properties)) {
    if (Object.hasOwn(value, name)) check(inner, value[name], fieldPath(place, name));
  }
}

function isOneOf(type: NonNullable<Schema["type"]>, kind: string, value: unknown): boolean {
  const types: readonly string[] = typeof type === "string" ? [type] : type;
  return types.includes(kind) || (types.includes("integer") && Number.isInteger(value));
}

/** What JSON calls the kind of a value. */
function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

function show(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  return typeof value === "object" && value !== null ? kindOf(value) : String(value);
}

function refuse(place: string, what: string): never {
  throw new JsonError(place, what, "schema");
}
