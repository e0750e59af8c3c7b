import type { PersonId } from "./backEnd.ts";

export interface Person {
  readonly id: PersonId;
  readonly name: string;
  readonly address: string;
}

export const ADA: Person = { id: "demo-ada", name: "Ada", address: "ada@shop.example" };
export const GRACE: Person = { id: "demo-grace", name: "Grace", address: "grace@shop.example" };
export const PEOPLE: readonly Person[] = [ADA, GRACE];

export function personOf(id: string): Person {
  return PEOPLE.find((person) => person.id === id) ?? ADA;
}
