export { type FieldError, HeliographError } from "./errors.ts";
