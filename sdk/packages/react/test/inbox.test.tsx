import { act, fireEvent, screen, within } from "@testing-library/react";
import { userEvent } from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { de, Inbox, Preferences } from "../src/index.ts";
import { expectAccessible } from "./support/axe.ts";
import { FakeClient, failure, notification, renderWith } from "./support/fakeClient.tsx";
import { installIntersections, scroll } from "./support/intersection.ts";

const HOSTILE = [
  '<img src=x onerror="window.hit = 1">',
  "<script>window.hit = 1</script>",
  "{{constructor}} &amp; <b>",
];

let client: FakeClient;
beforeEach(() => {
  client = new FakeClient();
  installIntersections();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function three(): void {
  client.show({ notifications: ["a", "b", "c"].map((id) => notification(id)), unread: 3 });
}

const cards = () => screen.getAllByRole("article");
const focusedId = () => (document.activeElement as HTMLElement).dataset["hgId"];

describe("what it shows", () => {
  it.each(HOSTILE)("%s is text, in title and body", (text) => {
    client.show({ notifications: [notification("a", { title: text, body: text })] });
    const { container } = renderWith(client, <Inbox />);
    expect(within(cards()[0] as HTMLElement).getAllByText(text)).toHaveLength(2);
    expect(container.querySelector("img, script, b")).toBeNull();
    expect("hit" in window).toBe(false);
  });

  it.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "/relative",
    "//host",
    "file:///etc",
  ])("%s never becomes a link or a picture", (url) => {
    client.show({ notifications: [notification("a", { actionUrl: url, imageUrl: url })] });
    const { container } = renderWith(client, <Inbox />);
    expect(container.querySelector("a, img")).toBeNull();
    expect(screen.getByRole("button", { name: "Title a" })).toBeTruthy();
  });

  it("an http URL is a link that tells the other page nothing", () => {
    client.show({
      notifications: [
        notification("a", { actionUrl: "https://shop.example/orders/1", imageUrl: "https://shop.example/1.png" }),
      ],
    });
    const { container } = renderWith(client, <Inbox linkTarget="_blank" />);
    const link = screen.getByRole("link", { name: "Title a" });
    expect([link.getAttribute("href"), link.getAttribute("rel"), link.getAttribute("target")]).toEqual([
      "https://shop.example/orders/1",
      "noopener noreferrer",
      "_blank",
    ]);
    expect(container.querySelector("img")?.getAttribute("referrerpolicy")).toBe("no-referrer");
  });

  it("is accessible: full, empty, loading, failed, offline", async () => {
    three();
    const { container } = renderWith(client, <Inbox preferences={<Preferences />} />);
    await expectAccessible(container);
    for (const snapshot of [
      {},
      { isLoading: true },
      { error: failure },
      { hasMore: true, notifications: [notification("a")] },
    ]) {
      act(() => client.show(snapshot));
      await expectAccessible(container);
    }
    act(() => client.connection.set({ status: "offline", retryAt: null, error: null, leader: true }));
    expect(screen.getByText(/You are offline/)).toBeTruthy();
    await expectAccessible(container);
  });

  it("says when there is nothing, in each view and in other words", async () => {
    renderWith(client, <Inbox renderEmpty={(view) => (view === "unread" ? <p>All done</p> : undefined)} />);
    expect(screen.getByText(/Nothing here yet/)).toBeTruthy();
    await userEvent.click(screen.getByRole("tab", { name: "Unread" }));
    expect(screen.getByText("All done")).toBeTruthy();
  });

  it("speaks another language when told", () => {
    three();
    renderWith(client, <Inbox />, de);
    expect(screen.getByRole("heading", { name: /Mitteilungen/ })).toBeTruthy();
    expect(screen.getByRole("button", { name: "Alle gelesen" })).toBeTruthy();
  });

  it("takes pieces of the app's own", () => {
    three();
    renderWith(
      client,
      <Inbox
        views={["all"]}
        header={<button type="button">Mine</button>}
        renderNotification={({ id }) => <em>own {id}</em>}
      />,
    );
    expect(screen.queryByRole("tab")).toBeNull();
    expect(screen.getByRole("button", { name: "Mine" })).toBeTruthy();
    expect(screen.getByText("own b")).toBeTruthy();
  });
});

describe("with the keyboard", () => {
  it("is one stop for Tab; arrows, Home and End move, and stop at the ends", async () => {
    three();
    renderWith(client, <Inbox />);
    expect(cards().map((card) => card.tabIndex)).toEqual([0, -1, -1]);
    act(() => cards()[0]?.focus());
    await userEvent.keyboard("{ArrowDown}");
    expect(focusedId()).toBe("b");
    expect(cards().map((card) => card.tabIndex)).toEqual([-1, 0, -1]);
    await userEvent.keyboard("{End}{ArrowDown}");
    expect(focusedId()).toBe("c");
    await userEvent.keyboard("{Home}{ArrowUp}");
    expect(focusedId()).toBe("a");
    await userEvent.keyboard("{PageDown}");
    expect(focusedId()).toBe("c");
  });

  it.each(["{Enter}", " "])("%s opens the card: read, and the app is told", async (key) => {
    three();
    const opened = vi.fn();
    renderWith(client, <Inbox onNotificationClick={({ id }) => opened(id)} />);
    act(() => cards()[1]?.focus());
    await userEvent.keyboard(key);
    expect(opened).toHaveBeenCalledWith("b");
    expect(client.read).toHaveBeenCalledWith("b");
  });

  it("Tab leads to the buttons of the card that has the focus, and to no other", async () => {
    three();
    renderWith(client, <Inbox />);
    act(() => cards()[1]?.focus());
    await userEvent.tab();
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Mark as read");
    await userEvent.tab();
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Archive");
    await userEvent.tab();
    expect(document.activeElement?.closest("article")).toBeNull();
  });

  it("the focus goes to the neighbour of a card that is archived", async () => {
    three();
    renderWith(client, <Inbox />);
    await userEvent.click(within(cards()[2] as HTMLElement).getByRole("button", { name: "Archive" }));
    expect(client.archive).toHaveBeenCalledWith("c");
    expect(focusedId()).toBe("b");
  });

  it("arrows choose among the views", async () => {
    renderWith(client, <Inbox />);
    act(() => screen.getByRole("tab", { name: "Inbox" }).focus());
    await userEvent.keyboard("{ArrowRight}");
    expect(screen.getByRole("tab", { name: "Unread" }).getAttribute("aria-selected")).toBe("true");
    expect(document.activeElement).toBe(screen.getByRole("tab", { name: "Unread" }));
    await userEvent.keyboard("{ArrowLeft}{ArrowLeft}");
    expect(screen.getByRole("tabpanel").getAttribute("aria-labelledby")).toBe(document.activeElement?.id);
    expect(document.activeElement?.textContent).toBe("Archived");
  });

  it("the preferences are one button away, and back", async () => {
    renderWith(client, <Inbox preferences={<p>Switches</p>} />);
    await userEvent.click(screen.getByRole("button", { name: "Preferences" }));
    expect(screen.getByText("Switches")).toBeTruthy();
    expect(document.activeElement?.getAttribute("aria-label")).toBe("Back");
    await userEvent.keyboard("{Enter}");
    expect(screen.getByRole("tablist")).toBeTruthy();
  });
});

describe("actions", () => {
  it("an opened item that was read already is not marked again", async () => {
    client.show({ notifications: [notification("a", { readAt: "2026-01-01T00:00:00Z" })] });
    renderWith(client, <Inbox />);
    await userEvent.click(screen.getByRole("button", { name: "Title a" }));
    expect(client.read).not.toHaveBeenCalled();
    await userEvent.click(screen.getByRole("button", { name: "Mark as unread" }));
    expect(client.markUnread).toHaveBeenCalledWith("a");
  });

  it("marks all read, and offers it only while there is something", async () => {
    three();
    renderWith(client, <Inbox />);
    await userEvent.click(screen.getByRole("button", { name: "Mark all read" }));
    expect(client.readAll).toHaveBeenCalledTimes(1);
    act(() => client.show({ unread: 0 }));
    expect((screen.getByRole("button", { name: "Mark all read" }) as HTMLButtonElement).disabled).toBe(true);
  });

  it("says that a refused change was undone, until the next one succeeds", async () => {
    three();
    client.readAll.mockRejectedValueOnce(failure);
    renderWith(client, <Inbox />);
    await userEvent.click(screen.getByRole("button", { name: "Mark all read" }));
    expect(screen.getByText(/was undone/)).toBeTruthy();
    await userEvent.click(screen.getByRole("button", { name: "Mark all read" }));
    expect(screen.queryByText(/was undone/)).toBeNull();
  });
});

describe("loading", () => {
  const end = (container: HTMLElement) => container.querySelector(".hg-end") as Element;

  it("loads the next page when its end comes near, once at a time", () => {
    client.show({ notifications: [notification("a")], hasMore: true });
    const { container } = renderWith(client, <Inbox />);
    act(() => scroll(end(container), true));
    expect(client.fetchMore).toHaveBeenCalledTimes(1);
    act(() => client.show({ notifications: [notification("a")], hasMore: true, isFetching: true }));
    act(() => scroll(end(container), true));
    expect(client.fetchMore).toHaveBeenCalledTimes(1);
    act(() => client.show({ notifications: [notification("a"), notification("b")], hasMore: false }));
    act(() => scroll(end(container), true));
    expect(client.fetchMore).toHaveBeenCalledTimes(1);
  });

  it("asks once more after each page, and hears the last of several changes", async () => {
    client.show({ notifications: [notification("a")], hasMore: true });
    const { container } = renderWith(client, <Inbox />);
    await act(async () => scroll(end(container), false, true));
    expect(client.fetchMore).toHaveBeenCalledTimes(1);
    await act(async () => scroll(end(container), true)); // a new observer, or nothing would be told
    expect(client.fetchMore).toHaveBeenCalledTimes(2);
    await act(async () => scroll(end(container), true, false));
    expect(client.fetchMore).toHaveBeenCalledTimes(2);
  });

  it("does not try again by itself what failed", async () => {
    client.show({ notifications: [notification("a")], hasMore: true, error: failure });
    const { container } = renderWith(client, <Inbox />);
    act(() => scroll(end(container), true));
    expect(client.fetchMore).not.toHaveBeenCalled();
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(client.fetchMore).toHaveBeenCalledTimes(1);
    act(() => client.show({ error: failure }));
    await userEvent.click(screen.getByRole("button", { name: "Try again" }));
    expect(client.refetch).toHaveBeenCalledTimes(1);
  });

  it("has a button where there is no IntersectionObserver", async () => {
    vi.unstubAllGlobals();
    client.show({ notifications: [notification("a")], hasMore: true });
    renderWith(client, <Inbox />);
    await userEvent.click(screen.getByRole("button", { name: "Load more" }));
    expect(client.fetchMore).toHaveBeenCalledTimes(1);
  });

  it("asks for one category, in pages as large as wanted", () => {
    client.show({ notifications: [notification("a")] }, { category: "news", limit: 50 });
    renderWith(client, <Inbox category="news" pageSize={50} />);
    expect(cards()).toHaveLength(1);
  });

  it("marks as seen, several at a time, what stayed on the screen and was not seen before", () => {
    vi.useFakeTimers();
    client.show({
      notifications: [
        notification("a"),
        notification("b"),
        notification("c", { seenAt: "2026-01-01T00:00:00Z" }),
        notification("d"),
      ],
    });
    renderWith(client, <Inbox />);
    const [a, b, c, d] = cards() as [HTMLElement, HTMLElement, HTMLElement, HTMLElement];
    scroll(a, true);
    scroll(b, true);
    scroll(c, true);
    scroll(d, true);
    scroll(d, false);
    vi.advanceTimersByTime(1000);
    expect(client.seen.mock.calls).toEqual([[["a", "b"]]]);
    vi.advanceTimersByTime(1000);
    expect(client.seen).toHaveBeenCalledTimes(1);
  });

  it("keeps the cards that are there when one arrives above them", () => {
    const [a, b] = [notification("a"), notification("b")];
    client.show({ notifications: [a, b] });
    renderWith(client, <Inbox />);
    const before = cards();
    act(() => before[1]?.focus());
    act(() => client.show({ notifications: [notification("n"), a, b] }));
    expect(cards().slice(1)).toEqual(before);
    expect(focusedId()).toBe("b");
  });
});

it("a click on the link may be taken over by the app's router", () => {
  client.show({ notifications: [notification("a", { actionUrl: "https://shop.example/x" })] });
  renderWith(client, <Inbox onNotificationClick={(_, event) => event.preventDefault()} />);
  expect(fireEvent.click(screen.getByRole("link"))).toBe(false);
});
