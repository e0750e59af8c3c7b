// Bell, toasts, preferences and the theme; what the inbox says of its connection.

import { fireEvent, screen, userEvent } from "@testing-library/react-native";
import { AccessibilityInfo, Linking, Text, useColorScheme } from "react-native";
import {
  Bell,
  darkTheme,
  de,
  Inbox,
  lightTheme,
  Preferences,
  type Theme,
  type ThemeOptions,
  Toasts,
  usePushRegistration,
  useTheme,
} from "../src/index.ts";
import { appGoes, controlAppState, happens, settle, shown } from "./support/app.tsx";
import { FakeServer } from "./support/server.ts";

function Look({ onTheme }: { onTheme: (theme: Theme) => void }) {
  onTheme(useTheme());
  return null;
}

function Lost() {
  usePushRegistration({} as never);
  return null;
}

let server: FakeServer;
const announced = AccessibilityInfo.announceForAccessibility as jest.Mock;
const scheme = useColorScheme as jest.Mock;

beforeEach(() => {
  jest.useFakeTimers();
  controlAppState();
  scheme.mockReturnValue("light");
  server = new FakeServer();
});

async function press(name: string | RegExp) {
  await userEvent.setup().press(screen.getByRole("button", { name }));
  await settle();
}

describe("Bell", () => {
  test("shows and says how many are unread, on this phone and elsewhere", async () => {
    server.holds(2);
    await shown(server, <Bell />);
    expect(screen.getByRole("button", { name: "Notifications, 2 unread" })).toHaveTextContent("2");
    await happens(() => server.marks("n001", { read_at: "2027-01-01T12:00:00.000Z" }));
    expect(screen.getByRole("button", { name: "Notifications, 1 unread" })).toHaveTextContent("1");
    await happens(() => server.marks("n002", { read_at: "2027-01-01T12:00:00.000Z" }));
    expect(screen.getByRole("button", { name: "Notifications" })).toHaveTextContent("");
  });

  test("a great number is cut, and still said whole", async () => {
    server.holds(120);
    await shown(server, <Bell />);
    expect(screen.getByRole("button", { name: "Notifications, 120 unread" })).toHaveTextContent("99+");
  });

  test("screen readers are told when it grows, not when it shrinks", async () => {
    server.holds(1);
    await shown(server, <Bell />);
    announced.mockClear();
    await happens(() => server.marks("n001", { read_at: "2027-01-01T12:00:00.000Z" }));
    expect(announced).not.toHaveBeenCalled();
    await happens(() => server.arrives(server.item("n002")));
    expect(announced.mock.calls).toEqual([["1 unread notification"]]);
  });

  test("pressing it is the app's, and so may be its face and its words", async () => {
    const onPress = jest.fn();
    await shown(server, <Bell onPress={onPress} renderBell={({ unread }) => <Text>my {unread}</Text>} />, {
      strings: de,
    });
    await press("Mitteilungen");
    expect(onPress).toHaveBeenCalledTimes(1);
    expect(screen.getByText("my 0")).toBeOnTheScreen();
  });
});

describe("Toasts", () => {
  test("what arrives is shown and said, and goes by itself", async () => {
    await shown(server, <Toasts />);
    await happens(() => server.arrives(server.item("n1")));
    expect(screen.getByText("Title n1")).toBeOnTheScreen();
    expect(announced).toHaveBeenCalledWith("Title n1. Body n1");
    await settle(7000);
    expect(screen.queryByText("Title n1")).toBeNull();
  });

  test("pressing one reads it and opens its URL; dismissing one leaves it unread", async () => {
    const open = jest.spyOn(Linking, "openURL").mockResolvedValue(undefined);
    await shown(server, <Toasts />);
    await happens(() => {
      server.arrives(server.item("n1", { action_url: "https://shop.example/1" }));
      server.arrives(server.item("n2"));
    });
    await userEvent.setup().press(screen.getAllByRole("button", { name: "Dismiss" })[1] as never);
    await press(/Title n1/);
    expect(open).toHaveBeenCalledWith("https://shop.example/1");
    expect(server.called(/POST/)).toEqual(["POST /v1/inbox/n1/read"]);
    expect(screen.queryByText(/Title/)).toBeNull();
  });

  test("the newest three, those that the app wants, and none while nobody looks", async () => {
    await shown(server, <Toasts filter={({ id }) => id !== "n2"} />);
    await happens(() => {
      for (const id of ["n1", "n2", "n3", "n4", "n5"]) server.arrives(server.item(id));
    });
    expect(screen.getAllByText(/Title/).map(({ props }) => props["children"])).toEqual([
      "Title n3",
      "Title n4",
      "Title n5",
    ]);
    await settle(8000);
    await appGoes("background");
    await happens(() => server.arrives(server.item("n6")));
    expect(screen.queryByText("Title n6")).toBeNull();
  });
});

describe("Preferences", () => {
  const categories = [{ id: "marketing.news", label: "News", description: "Once a month" }];
  const theSwitch = (name: string) => screen.getByRole("switch", { name });

  test("a switch for each channel of everything and of each category, as the server will decide", async () => {
    server.preferences = { channels: { email: false }, categories: { marketing: { push: false } } };
    await shown(server, <Preferences categories={categories} />);
    expect(theSwitch("Everything, E-mail").props["value"]).toBe(false);
    expect(theSwitch("News, E-mail").props["value"]).toBe(false);
    expect(theSwitch("News, Push").props["value"]).toBe(false);
    expect(theSwitch("News, On screen").props["value"]).toBe(true);
  });

  test("switching is kept by the server, and undone and said if it refuses", async () => {
    await shown(server, <Preferences categories={categories} />);
    await happens(() => fireEvent(theSwitch("News, Push"), "valueChange", false));
    expect(server.preferences).toEqual({ channels: {}, categories: { "marketing.news": { push: false } } });
    server.refuses = /preferences/;
    await happens(() => fireEvent(theSwitch("News, E-mail"), "valueChange", false));
    expect(theSwitch("News, E-mail").props["value"]).toBe(true);
    expect(screen.getByText("That could not be saved, and was undone.")).toBeOnTheScreen();
  });

  test("what can't be loaded can be tried again", async () => {
    server.refuses = /preferences/;
    await shown(server, <Preferences />);
    server.refuses = null;
    await press("Try again");
    expect(theSwitch("Everything, Push")).toBeOnTheScreen();
  });
});

describe("theme", () => {
  async function colorsOf(theme?: ThemeOptions): Promise<Theme["colors"]> {
    const look = jest.fn();
    await shown(server, <Look onTheme={look} />, { theme });
    return look.mock.lastCall?.[0].colors;
  }

  test("light or dark as the system is, unless the app decides", async () => {
    expect(await colorsOf()).toEqual(lightTheme.colors);
    expect(await colorsOf({ scheme: "dark" })).toEqual(darkTheme.colors);
    scheme.mockReturnValue("dark");
    expect(await colorsOf()).toEqual(darkTheme.colors);
  });

  test("the app changes what it likes of each", async () => {
    const theme = { light: { accent: "#ff0000" }, dark: { accent: "#00ff00" } };
    expect(await colorsOf(theme)).toEqual({ ...lightTheme.colors, accent: "#ff0000" });
    scheme.mockReturnValue("dark");
    expect((await colorsOf(theme)).accent).toBe("#00ff00");
  });

  test("the inbox is drawn in it", async () => {
    scheme.mockReturnValue("dark");
    server.holds(1);
    await shown(server, <Inbox />);
    expect(screen.getByText("Title n001")).toHaveStyle({ color: darkTheme.colors.text });
  });

  // WCAG 2.2, 1.4.3: 4.5 to 1 for text; https://www.w3.org/TR/WCAG22/#contrast-minimum
  test.each([
    ["light", lightTheme.colors],
    ["dark", darkTheme.colors],
  ])("every text of the %s one can be read", (_name, colors) => {
    for (const ground of [colors.background, colors.unread, colors.pressed]) {
      for (const ink of [colors.text, colors.muted, colors.accent]) expect(contrast(ink, ground)).toBeGreaterThan(4.5);
    }
    expect(contrast(colors.onBadge, colors.badge)).toBeGreaterThan(4.5);
  });

  function contrast(one: string, other: string): number {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
    return (light + 0.05) / (dark + 0.05);
  }

  function luminance(hex: string): number {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    }) as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
});

describe("connection", () => {
  test("a refused token is said in the inbox, and asked for again once only", async () => {
    const getToken = jest.fn(() => "no.good.token");
    const onUnauthorized = jest.fn();
    await shown(server, <Inbox />, { getToken, onUnauthorized });
    await settle(60_000);
    expect(screen.getByText("Sign in again to see what is new.")).toBeOnTheScreen();
    expect(getToken).toHaveBeenCalledTimes(2);
    expect(onUnauthorized).toHaveBeenCalledTimes(1);
  });

  test("not connected while it isn't wanted: the person counts as offline", async () => {
    await shown(server, <Inbox />, { enabled: false });
    await settle(5000);
    expect(server.connections).toHaveLength(0);
  });
});

test("the push hook outside the provider says where it belongs", async () => {
  jest.spyOn(console, "error").mockImplementation(() => {});
  const { HeliographProvider: OnlyHooks } = jest.requireActual("@heliograph/react/hooks");
  const { render } = jest.requireActual("@testing-library/react-native");
  const options = { baseUrl: "https://notify.example", getToken: () => "", enabled: false };
  expect(() =>
    render(
      <OnlyHooks {...options}>
        <Lost />
      </OnlyHooks>,
    ),
  ).toThrow("inside the HeliographProvider of @heliograph/react-native");
});
