// The schema of the wire, which the server's tests hold their frames against as well.

import { readFile } from "node:fs/promises";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";

const schema = JSON.parse(await readFile(`${import.meta.dirname}/../../../docs/agents.schema.json`, "utf8"));
const ajv = new Ajv2020({ allowUnionTypes: true, validateFormats: false }).addSchema(schema, "agents");

export const ofClient = validator("client");
export const ofServer = validator("server");

/** Those that are not as the schema says, and why. */
export function strange(frames: object[], validate: ValidateFunction): unknown[] {
  return frames.flatMap((frame) => (validate(frame) ? [] : { frame, errors: validate.errors }));
}

function validator(name: string): ValidateFunction {
  return ajv.getSchema(`agents#/$defs/${name}`)!;
}
