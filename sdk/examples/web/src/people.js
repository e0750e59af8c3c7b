export const ADA = { id: "demo-ada", name: "Ada", address: "ada@shop.example" };
export const GRACE = { id: "demo-grace", name: "Grace", address: "grace@shop.example" };
export const PEOPLE = [ADA, GRACE];
export function personOf(id) {
  return PEOPLE.find((person) => person.id === id) ?? ADA;
}
