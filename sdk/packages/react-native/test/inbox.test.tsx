import { fireEvent, screen, userEvent, within } from "@testing-library/react-native";
import { Linking, Text } from "react-native";
import { Inbox, type InboxProps } from "../src/index.ts";
import { controlAppState, happens, settle, shown } from "./support/app.tsx";
import { FakeServer } from "./support/server.ts";

const MOMENT = "2027-01-01T11:01:00.000Z";
let server: FakeServer;

beforeEach(() => {
  jest.useFakeTimers();
  jest.setSystemTime(Date.parse("2027-01-01T11:05:00.000Z"));
  controlAppState();
  server = new FakeServer();
});

const press = (name: string | RegExp) => userEvent.setup().press(screen.getByRole("button", { name }));
const rows = () =>
  screen.queryAllByTestId(/^heliograph-item-/).map((row) => row.props["testID"].replace("heliograph-item-", ""));
const list = () => screen.getByTestId("heliograph-list");

async function inbox(props: InboxProps = {}) {
  return shown(server, <Inbox {...props} />);
}

test("the newest come first, each said with what is unread, title, body and age", async () => {
  server.items.push(server.item("n001", { read_at: MOMENT }), server.item("n002"));
  await inbox();
  expect(rows()).toEqual(["n002", "n001"]);
  expect(screen.getByRole("button", { name: /^Unread\. Title n002\. Body n002\. 5 min/ })).toBeOnTheScreen();
  expect(screen.getByRole("button", { name: /^Title n001\. Body n001\. 5 min/ })).toBeOnTheScreen();
});

test("what arrives while it is open stands on top at once", async () => {
  server.holds(1);
  await inbox();
  await happens(() => server.arrives(server.item("n002")));
  expect(rows()).toEqual(["n002", "n001"]);
});

test("a title that looks like markup stays text", async () => {
  server.items.push(server.item("n1", { title: "<img src=x onerror=alert(1)>" }));
  await inbox();
  expect(screen.getByText("<img src=x onerror=alert(1)>")).toBeOnTheScreen();
});

test("the end of the list brings the next page, once, and nothing after the last", async () => {
  server.holds(45);
  await inbox();
  expect(list().props["data"]).toHaveLength(20);
  await happens(() => {
    fireEvent(list(), "endReached");
    fireEvent(list(), "endReached");
  });
  expect(server.called(/cursor=/)).toHaveLength(1);
  await happens(() => fireEvent(list(), "endReached"));
  await happens(() => fireEvent(list(), "endReached"));
  expect(server.called(/cursor=/)).toHaveLength(2);
  expect(list().props["data"]).toHaveLength(45);
});

test("pulling loads anew, and the spinner goes when it is done", async () => {
  await inbox();
  server.items.push(server.item("n9"));
  const before = server.called(/GET \/v1\/inbox\?/).length;
  await happens(() => list().props["refreshControl"].props.onRefresh());
  expect(server.called(/GET \/v1\/inbox\?/)).toHaveLength(before + 1);
  expect(rows()).toEqual(["n9"]);
  expect(list().props["refreshControl"].props.refreshing).toBe(false);
});

test("pressing an item marks it read and opens its URL", async () => {
  const open = jest.spyOn(Linking, "openURL").mockResolvedValue(undefined);
  server.items.push(server.item("n1", { action_url: "https://shop.example/orders/1" }));
  await inbox();
  await press(/^Unread\. Title n1/);
  await settle();
  expect(server.called(/POST/)).toContain("POST /v1/inbox/n1/read");
  expect(open).toHaveBeenCalledWith("https://shop.example/orders/1");
  expect(screen.getByRole("button", { name: /^Title n1/ })).toBeOnTheScreen();
});

test("another scheme than http never opens anything", async () => {
  const open = jest.spyOn(Linking, "openURL").mockResolvedValue(undefined);
  server.items.push(server.item("n1", { action_url: "tel:1234" }));
  await inbox();
  await press(/^Unread\. Title n1/);
  await settle();
  expect(open).not.toHaveBeenCalled();
});

test("the app can open it in its own way", async () => {
  const open = jest.spyOn(Linking, "openURL");
  const onNotificationPress = jest.fn();
  server.items.push(server.item("n1", { action_url: "https://shop.example" }));
  await inbox({ onNotificationPress });
  await press(/^Unread\. Title n1/);
  expect(onNotificationPress).toHaveBeenCalledWith(expect.objectContaining({ id: "n1" }));
  expect(open).not.toHaveBeenCalled();
});

test("the buttons beside an item read, unread and archive it", async () => {
  server.holds(1);
  await inbox();
  await press("Mark as read: Title n001");
  await press("Mark as unread: Title n001");
  await press("Archive: Title n001");
  expect(server.called(/POST/)).toEqual(["read", "unread", "archive"].map((mark) => `POST /v1/inbox/n001/${mark}`));
  expect(rows()).toEqual([]);
});

test("screen readers have the same as actions of the item", async () => {
  server.holds(1);
  await inbox();
  const item = screen.getByTestId("heliograph-item-n001");
  expect(item.props["accessibilityActions"]).toEqual([
    { name: "check", label: "Mark as read" },
    { name: "archive", label: "Archive" },
  ]);
  await happens(() => fireEvent(item, "accessibilityAction", { nativeEvent: { actionName: "archive" } }));
  expect(server.called(/POST/)).toEqual(["POST /v1/inbox/n001/archive"]);
});

test("an action that the server refuses is undone, and said", async () => {
  server.holds(1);
  server.refuses = /archive$/;
  await inbox();
  await press("Archive: Title n001");
  await settle();
  expect(rows()).toEqual(["n001"]);
  expect(screen.getByRole("alert")).toHaveTextContent("That could not be saved, and was undone.");
});

test("mark all read is there for what is unread only", async () => {
  server.holds(2);
  await inbox();
  await press("Mark all read");
  await settle();
  expect(server.called(/read-all/)).toHaveLength(1);
  expect(screen.getByRole("button", { name: "Mark all read" })).toBeDisabled();
});

test("the views are tabs: unread and archived are lists of their own", async () => {
  server.items.push(server.item("n001", { archived_at: MOMENT }), server.item("n002", { read_at: MOMENT }));
  await inbox();
  const tab = (name: string) => screen.getByRole("tab", { name });
  expect(tab("Inbox")).toBeSelected();
  await userEvent.setup().press(tab("Unread"));
  await settle();
  expect(tab("Unread")).toBeSelected();
  expect(rows()).toEqual([]);
  expect(screen.getByText("You have read everything.")).toBeOnTheScreen();
  await userEvent.setup().press(tab("Archived"));
  await settle();
  expect(rows()).toEqual(["n001"]);
});

test("what was on the screen for a moment is seen, and only once", async () => {
  server.holds(2);
  await inbox();
  fireEvent(list(), "layout", { nativeEvent: { layout: { x: 0, y: 0, width: 400, height: 800 } } });
  fireEvent(list(), "contentSizeChange", 400, 200);
  for (const id of ["n001", "n002"]) {
    const cell = screen.getByTestId(`heliograph-item-${id}`);
    fireEvent(cell, "layout", {
      nativeEvent: { layout: { x: 0, y: id === "n001" ? 100 : 0, width: 400, height: 100 } },
    });
  }
  await settle(1000);
  await settle(1000);
  expect(server.called(/seen$/).sort()).toEqual(["POST /v1/inbox/n001/seen", "POST /v1/inbox/n002/seen"]);
});

test("a list that can't be loaded says so and can be tried again", async () => {
  server.refuses = /inbox\?/;
  await inbox();
  await settle();
  expect(screen.getByText("That could not be loaded.")).toBeOnTheScreen();
  server.refuses = null;
  server.holds(1);
  await press("Try again");
  await settle();
  expect(rows()).toEqual(["n001"]);
});

test("words, a row's content, the empty sentence and the header can be the app's", async () => {
  server.holds(1);
  const view = await inbox({
    header: null,
    views: ["all"],
    renderNotification: ({ title }) => <Text>my {title}</Text>,
  });
  expect(screen.getByText("my Title n001")).toBeOnTheScreen();
  expect(screen.queryByRole("tab")).toBeNull();
  expect(screen.queryByText("Notifications")).toBeNull();
  view.again(<Inbox views={["archived"]} renderEmpty={(shownView) => <Text>nothing {shownView}</Text>} />, {
    strings: { notifications: "Post" },
  });
  await settle();
  expect(screen.getByText("Post")).toBeOnTheScreen();
});

test("text grows with the person's font scale: nothing forbids it, no row has a fixed height", async () => {
  server.holds(1);
  await inbox();
  const row = screen.getByTestId("heliograph-item-n001");
  for (const text of within(row).UNSAFE_getAllByType(Text)) expect(text.props["allowFontScaling"]).not.toBe(false);
  expect(row).not.toHaveStyle({ height: expect.anything() });
});
