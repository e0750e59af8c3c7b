// The built package on React Native's own renderer, fetch and WebSocket, without the globals of a browser, against a
// running `heliograph up --lab`. tests/native/test_phone.py starts it and says where it is.

import http from "node:http";
import {
  Bell,
  HeliographProvider,
  Inbox,
  type PushSource,
  Toasts,
  useConnection,
  usePushRegistration,
} from "@heliograph/react-native";
import { act, render, screen, userEvent, waitFor } from "@testing-library/react-native";
import { Text } from "react-native";
import { installNetwork } from "../phone/network.ts";
import { controlAppState, MemoryStorage, tellAppState } from "../support/app.tsx";

const { HELIOGRAPH_URL: url = "", HELIOGRAPH_LAB_URL: lab = "", HELIOGRAPH_KEY: key = "" } = process.env;
const PATIENCE = { timeout: 20_000, interval: 50 };
const storage = new MemoryStorage();

// biome-ignore lint/suspicious/noExplicitAny: the server's JSON, which the test looks into
type Json = any;

/** What the customer's back end does, and what a test looks at; not a part of the phone. */
function ask(method: string, where: string, body?: object): Promise<Json> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
    const request = http.request(where, { method, headers, agent: false }, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString("utf8");
      resolve(text ? JSON.parse(text) : null);
    });
    request.on("error", reject);
    request.end(body && JSON.stringify(body));
  });
}

const send = (title: string) =>
  ask("POST", `${url}/v1/send`, { to: "ada", title, body: "Grüße 👋", type: "transactional" });
const notification = (id: string) => ask("GET", `${url}/v1/notifications/${id}`);
const pushes = async () => (await ask("GET", `${lab}/lab/messages?provider=fcm`)).messages;

const push: PushSource = {
  permission: async () => "granted",
  requestPermission: async () => "granted",
  getToken: async () => ({ kind: "fcm_token", value: "phone-of-ada" }),
  onTokenChange: () => () => {},
};

function Told() {
  const { status } = useConnection();
  const { status: pushed, deviceId, error } = usePushRegistration(push);
  return <Text testID="told">{`${status} ${pushed} ${deviceId ?? String(error)}`}</Text>;
}

function App() {
  return (
    <HeliographProvider
      baseUrl={url}
      userId="ada"
      getToken={async () => (await ask("POST", `${url}/v1/users/ada/token`)).token}
      storage={storage}
      backgroundGraceMs={50}
    >
      <Bell />
      <Inbox />
      <Toasts />
      <Told />
    </HeliographProvider>
  );
}

const told = () => screen.getByTestId("told").props["children"];
const rows = () => screen.queryAllByTestId(/^heliograph-item-/).length;
const becomes = (look: () => void | Promise<void>) => waitFor(look, PATIENCE);

beforeAll(installNetwork);

test("an afternoon with the phone", async () => {
  controlAppState();
  const { unmount } = render(<App />);

  // Signed in, connected and registered.
  await becomes(() => expect(told()).toMatch(/^connected on dev_/));

  // In front of it: what is sent shows in the list, on the bell and as a toast, letter by letter.
  const { id } = await send("Bestellung verschickt ✅");
  await becomes(() => expect(screen.getAllByText("Bestellung verschickt ✅")).toHaveLength(2));
  expect(screen.getAllByText("Grüße 👋")).toHaveLength(2);
  expect(screen.getByRole("button", { name: "Notifications, 1 unread" })).toBeOnTheScreen();
  await becomes(async () =>
    expect((await notification(id)).deliveries).toMatchObject([{ channel: "in_app", status: "delivered" }]),
  );
  expect(await pushes()).toEqual([]);

  // Pressed: it is read, everywhere.
  await userEvent.setup().press(screen.getByTestId(`heliograph-item-${id}`));
  await becomes(async () => expect((await notification(id)).read_at).not.toBeNull());
  await becomes(() => expect(screen.getByRole("button", { name: "Notifications" })).toBeOnTheScreen());

  // In the pocket: the connection goes, and what is sent comes as a push.
  await act(async () => tellAppState("background"));
  await becomes(() => expect(told()).toMatch(/^idle/));
  const pocket = await send("In the pocket");
  await becomes(async () => expect(await pushes()).toHaveLength(1));
  expect(rows()).toBe(1);

  // Out again: nothing is missing, nothing twice, and no push for what the screen shows.
  await act(async () => tellAppState("active"));
  await becomes(() => expect(rows()).toBe(2));
  const third = await send("Out again");
  await becomes(() => expect(rows()).toBe(3));
  await becomes(async () =>
    expect((await notification(third.id)).deliveries).toMatchObject([{ channel: "in_app", status: "delivered" }]),
  );
  expect(await pushes()).toHaveLength(1);
  expect((await pushes())[0].to).toBe("phone-of-ada");
  expect(pocket.id).not.toBe(third.id);

  // The next start shows the list before anything answers.
  unmount();
  expect([...storage.kept.keys()].some((name) => name.includes(" ada"))).toBe(true);
  render(<App />);
  await becomes(() => expect(rows()).toBe(3));
});
