// Seam: `fetch` and `WebSocket`, as browsers, React Native and Node have them. One of two files that know these types.

import type { HttpRequest, HttpResponse, Socket, SocketEvents, Transport } from "../ports.ts";

/** `fetch` and `WebSocket` of the platform; the calls are made when needed, so tests may replace the globals. */
export function webTransport(): Transport {
  return { fetch: request, connect };
}

async function request(url: string, { method, headers, body, timeoutMs }: HttpRequest): Promise<HttpResponse> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    const response = await fetch(url, {
      method,
      headers: { ...headers },
      body: body ?? null,
      signal: controller.signal,
    });
    const text = await response.text();
    return { status: response.status, header: (name) => response.headers.get(name), text: async () => text };
  } finally {
    clearTimeout(timer);
  }
}

function connect(url: string, events: SocketEvents): Socket {
  let socket: WebSocket;
  try {
    socket = new WebSocket(url);
  } catch (error) {
    // A URL that the platform refuses, or a page that may not connect: told like every other failure.
    queueMicrotask(() => events.close(1006, String(error)));
    return { send: () => undefined, close: () => undefined };
  }
  socket.onopen = () => events.open();
  socket.onmessage = ({ data }) => events.message(typeof data === "string" ? data : "");
  socket.onclose = ({ code, reason }) => events.close(code, reason);
  return {
    send: (text) => {
      if (socket.readyState === socket.OPEN) socket.send(text);
    },
    close: (code) => socket.close(code),
  };
}
