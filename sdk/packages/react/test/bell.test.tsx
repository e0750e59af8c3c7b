import { act, screen } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { Bell } from "../src/index.ts";
import { expectAccessible } from "./support/axe.ts";
import { FakeClient, notification, renderWith } from "./support/fakeClient.tsx";

let client: FakeClient;
beforeEach(() => {
  client = new FakeClient();
  client.unread.set(2);
  client.show({ notifications: [notification("a"), notification("b")], unread: 2 });
});

const bell = () => screen.getByRole("button", { name: /^Notifications/ });

it("says the count in words and in a badge, and caps the badge", () => {
  const { container } = renderWith(client, <Bell />);
  expect(bell().getAttribute("aria-label")).toBe("Notifications, 2 unread");
  act(() => client.unread.set(100));
  expect(container.querySelector(".hg-badge")?.textContent).toBe("99+");
  act(() => client.unread.set(0));
  expect(container.querySelector(".hg-badge")).toBeNull();
  expect(bell().getAttribute("aria-label")).toBe("Notifications");
});

it("tells screen readers of a count that grows, not of one that shrinks", () => {
  renderWith(client, <Bell />);
  const said = () => screen.getAllByRole("status").map((one) => one.textContent);
  expect(said()).toEqual([""]);
  act(() => client.unread.set(3));
  expect(said()).toEqual(["3 unread notifications"]);
  act(() => client.unread.set(1));
  expect(said()).toEqual(["3 unread notifications"]);
});

it("opens with the keyboard, takes the focus to the first card, and gives it back on Escape", async () => {
  const opened = vi.fn();
  renderWith(client, <Bell onOpenChange={opened} />);
  await userEvent.tab();
  expect(document.activeElement).toBe(bell());
  await userEvent.keyboard("{Enter}");
  expect(screen.getByRole("dialog", { name: "Notifications" })).toBeTruthy();
  expect(bell().getAttribute("aria-expanded")).toBe("true");
  expect((document.activeElement as HTMLElement).dataset["hgId"]).toBe("a");
  await userEvent.keyboard("{ArrowDown}{Escape}");
  expect(screen.queryByRole("dialog")).toBeNull();
  expect(document.activeElement).toBe(bell());
  expect(opened.mock.calls).toEqual([[true], [false]]);
});

it("leads the arrow key to cards that came after it was opened", async () => {
  client.show({ isLoading: true });
  renderWith(client, <Bell />);
  await userEvent.click(bell());
  expect(document.activeElement).toBe(screen.getByRole("dialog"));
  act(() => client.show({ notifications: [notification("late")] }));
  await userEvent.keyboard("{ArrowDown}");
  expect((document.activeElement as HTMLElement).dataset["hgId"]).toBe("late");
});

it("closes when a press or the focus goes elsewhere, not inside", async () => {
  renderWith(
    client,
    <>
      <Bell />
      <button type="button">Elsewhere</button>
    </>,
  );
  await userEvent.click(bell());
  await userEvent.click(screen.getByRole("tab", { name: "Unread" }));
  expect(screen.getByRole("dialog")).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Elsewhere" }));
  expect(screen.queryByRole("dialog")).toBeNull();
  await userEvent.click(bell());
  act(() => screen.getByRole("button", { name: "Elsewhere" }).focus());
  expect(screen.queryByRole("dialog")).toBeNull();
  await userEvent.click(bell());
  await userEvent.click(bell());
  expect(screen.queryByRole("dialog")).toBeNull();
});

it("is accessible, closed and open", async () => {
  const { container } = renderWith(client, <Bell />);
  await expectAccessible(container);
  await userEvent.click(bell());
  await expectAccessible(container);
});

it("wears a face and holds a panel of the app's own", async () => {
  renderWith(
    client,
    <Bell renderBell={({ unread, isOpen }) => <i>{`${unread} ${isOpen}`}</i>}>
      <p>Mine</p>
    </Bell>,
  );
  expect(screen.getByText("2 false")).toBeTruthy();
  await userEvent.click(bell());
  expect(screen.getByText("2 true")).toBeTruthy();
  expect(screen.getByText("Mine")).toBeTruthy();
});
