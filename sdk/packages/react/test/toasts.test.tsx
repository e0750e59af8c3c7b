import { act, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Toasts } from "../src/index.ts";
import { expectAccessible } from "./support/axe.ts";
import { FakeClient, failure, notification, renderWith } from "./support/fakeClient.tsx";

let client: FakeClient;
beforeEach(() => {
  client = new FakeClient();
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const titles = () => screen.queryAllByRole("listitem").map((one) => one.querySelector(".hg-title")?.textContent);
const arrive = (id: string) => act(() => client.arrive(notification(id)));
const pass = (ms: number) => act(() => vi.advanceTimersByTime(ms));

it("shows what arrives for as long as it should", () => {
  renderWith(client, <Toasts durationMs={5000} />);
  arrive("a");
  pass(3000);
  arrive("b");
  expect(titles()).toEqual(["Title a", "Title b"]);
  pass(2000);
  expect(titles()).toEqual(["Title b"]);
  pass(3000);
  expect(titles()).toEqual([]);
});

it("keeps what the pointer or the focus is on", () => {
  renderWith(client, <Toasts />);
  arrive("a");
  fireEvent.pointerEnter(screen.getByRole("listitem"));
  pass(60_000);
  expect(titles()).toEqual(["Title a"]);
  fireEvent.pointerLeave(screen.getByRole("listitem"));
  fireEvent.focus(screen.getByRole("button", { name: "Dismiss" }));
  pass(60_000);
  expect(titles()).toEqual(["Title a"]);
  fireEvent.blur(screen.getByRole("button", { name: "Dismiss" }));
  pass(7_000);
  expect(titles()).toEqual([]);
});

it("shows a few at once, and the oldest makes room", () => {
  renderWith(client, <Toasts max={2} />);
  for (const id of ["a", "b", "c"]) arrive(id);
  expect(titles()).toEqual(["Title b", "Title c"]);
});

it("shows none on a page that nobody looks at, and none that the app leaves out", () => {
  const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  renderWith(client, <Toasts filter={({ id }) => id !== "quiet"} />);
  arrive("a");
  visibility.mockReturnValue("visible");
  arrive("quiet");
  expect(titles()).toEqual([]);
  arrive("b");
  expect(titles()).toEqual(["Title b"]);
});

it("a click opens it: read, told, gone; also when the server refuses", () => {
  const opened = vi.fn();
  client.read.mockRejectedValueOnce(failure);
  renderWith(client, <Toasts onNotificationClick={({ id }) => opened(id)} />);
  arrive("a");
  fireEvent.click(screen.getByRole("button", { name: "Title a" }));
  expect(client.read).toHaveBeenCalledWith("a");
  expect(opened).toHaveBeenCalledWith("a");
  expect(titles()).toEqual([]);
});

it("goes away by its button and by Escape, and stays unread", () => {
  renderWith(client, <Toasts />);
  arrive("a");
  arrive("b");
  fireEvent.click(screen.getAllByRole("button", { name: "Dismiss" })[0] as HTMLElement);
  expect(titles()).toEqual(["Title b"]);
  fireEvent.keyDown(screen.getByRole("button", { name: "Dismiss" }), { key: "Escape" });
  expect(titles()).toEqual([]);
  expect(client.read).not.toHaveBeenCalled();
});

it("is read out politely, says only text, and is accessible", async () => {
  const { container } = renderWith(client, <Toasts />);
  act(() => client.arrive(notification("a", { title: "<b>bold</b>", actionUrl: "javascript:alert(1)" })));
  expect(screen.getByText("<b>bold</b>")).toBeTruthy();
  expect(container.querySelector("b, a")).toBeNull();
  expect(container.querySelector("[aria-live=polite]")).toBeTruthy();
  vi.useRealTimers();
  await expectAccessible(container);
});

it("takes a face of the app's own", () => {
  renderWith(client, <Toasts renderToast={({ id }) => <em>own {id}</em>} />);
  arrive("a");
  expect(screen.getByText("own a")).toBeTruthy();
});
