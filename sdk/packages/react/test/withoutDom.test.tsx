// @vitest-environment node
import { renderToString } from "react-dom/server";
import { expect, it } from "vitest";
import { HeliographProvider, useNotifications, useUnreadCount } from "../src/hooks.ts";
import { FakeClient, notification } from "./support/fakeClient.tsx";

function List() {
  return (
    <p>
      {useUnreadCount()} {useNotifications().notifications[0]?.title}
    </p>
  );
}

it("the hooks work where there is no DOM: on a server, and in React Native", () => {
  expect(typeof document).toBe("undefined");
  const client = new FakeClient();
  client.show({ notifications: [notification("a", { title: "Hello" })] });
  const html = renderToString(
    <HeliographProvider client={client.real}>
      <List />
    </HeliographProvider>,
  );
  expect(html).toContain("Hello");
});
