import type { PersonId } from "./backEnd.ts";

export interface Person {
  readonly id: PersonId;
  readonly name: string;
  readonly address: string;
}

export const PEOPLE: readonly Person[] = [
  { id: "demo-ada", name: "Ada", address: "ada@shop.example" },
  { id: "demo-grace", name: "Grace", address: "grace@shop.example" },
];

export function nameOf(id: PersonId): string {
  return PEOPLE.find((person) => person.id === id)?.name ?? id;
}
