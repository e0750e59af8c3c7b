import type { Preferences as Chosen } from "@heliograph/client";
import { act, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, it } from "vitest";
import { Preferences, wants } from "../src/index.ts";
import { expectAccessible } from "./support/axe.ts";
import { FakeClient, failure, renderWith } from "./support/fakeClient.tsx";

let client: FakeClient;
beforeEach(() => {
  client = new FakeClient();
});

const NEWS = [{ id: "marketing.news", label: "News", description: "Four letters a year." }];
const know = (preferences: Chosen) => act(() => client.preferences.set({ preferences, isLoading: false, error: null }));
const isOn = (name: string) => (screen.getByRole("switch", { name }) as HTMLInputElement).checked;

it.each<[Chosen, string | null, boolean]>([
  [{ channels: {}, categories: {} }, "marketing.news", true],
  [{ channels: { email: false }, categories: {} }, "marketing.news", false],
  [{ channels: { email: false }, categories: { marketing: { email: true } } }, "marketing.news", true],
  [
    { channels: {}, categories: { marketing: { email: true }, "marketing.news": { email: false } } },
    "marketing.news",
    false,
  ],
  [{ channels: {}, categories: { marketing: { push: false } } }, "marketing.news", true],
  [{ channels: { email: false }, categories: { marketing: { email: true } } }, "marketingish", false],
  [{ channels: { email: false }, categories: { "": { email: true } } }, null, false],
])("the most specific rule decides: %o for %s is %s", (preferences, category, wanted) => {
  expect(wants(preferences, category, "email")).toBe(wanted);
});

it("shows a switch for each category and channel, as the rule has it", () => {
  renderWith(client, <Preferences categories={NEWS} channels={["in_app", "email"]} />);
  know({ channels: { email: false }, categories: { marketing: { in_app: false, email: true } } });
  expect(["Everything On screen", "Everything E-mail", "News On screen", "News E-mail"].map(isOn)).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

it("saves exactly what was switched", async () => {
  renderWith(client, <Preferences categories={NEWS} />);
  know({ channels: {}, categories: {} });
  await userEvent.click(screen.getByRole("switch", { name: "News E-mail" }));
  await userEvent.click(screen.getByRole("switch", { name: "Everything Push" }));
  expect(client.preferences.update.mock.calls).toEqual([
    [{ categories: { "marketing.news": { email: false } } }],
    [{ channels: { push: false } }],
  ]);
});

it("says that a refused change was undone", async () => {
  client.preferences.update.mockRejectedValueOnce(failure);
  renderWith(client, <Preferences />);
  know({ channels: {}, categories: {} });
  await userEvent.click(screen.getByRole("switch", { name: "Everything E-mail" }));
  expect(await screen.findByText(/was undone/)).toBeTruthy();
});

it("offers to load again what could not be loaded", async () => {
  renderWith(client, <Preferences />);
  act(() => client.preferences.set({ preferences: null, isLoading: false, error: failure }));
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(client.preferences.load).toHaveBeenCalledTimes(2);
});

it("is accessible: loading, failed and loaded", async () => {
  const { container } = renderWith(client, <Preferences categories={NEWS} />);
  await expectAccessible(container);
  act(() => client.preferences.set({ preferences: null, isLoading: false, error: failure }));
  await expectAccessible(container);
  know({ channels: {}, categories: {} });
  await expectAccessible(container);
});
