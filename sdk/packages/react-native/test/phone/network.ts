// The native half of React Native's networking, on Node: what Java and Objective-C do on a phone for WebSocket, fetch and
// Blob. The JavaScript half, which an app sees, is React Native's own: `installNetwork` puts it in place as an app has it.

import http from "node:http";
import { DeviceEventEmitter, NativeModules } from "react-native";
import WebSocket from "ws";

interface BlobData {
  readonly blobId: string;
  readonly offset: number;
  readonly size: number;
}

interface NativeRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly data: { readonly string?: string } | null;
  readonly responseType: string;
}

/** What React Native has inside and gives no types for. */
const own = (path: string) => jest.requireActual(`react-native/Libraries/${path}`);

const bridge = DeviceEventEmitter; // now: React Native loads it when it is named, and a socket may end after the test
const emit = (event: string, told: unknown): void => bridge.emit(event, told);
const sockets = new Map<number, WebSocket>();
const requests = new Map<number, http.ClientRequest>();
const blobs = new Map<string, Buffer>();

const webSocketModule = {
  connect(url: string, _protocols: unknown, _options: unknown, id: number): void {
    const socket = new WebSocket(url);
    sockets.set(id, socket);
    socket.on("open", () => emit("websocketOpen", { id, protocol: "" }));
    socket.on("message", (data) => emit("websocketMessage", { id, type: "text", data: String(data) }));
    socket.on("close", (code, reason) => ended(id, "websocketClosed", { code, reason: String(reason) }));
    socket.on("error", ({ message }) => ended(id, "websocketFailed", { message }));
  },
  send: (data: string, id: number): void => sockets.get(id)?.send(data),
  close: (code: number, reason: string, id: number): void => sockets.get(id)?.close(code, reason),
};

/** A phone tells one end of a socket, not two. */
function ended(id: number, event: string, told: object): void {
  if (sockets.delete(id)) emit(event, { id, ...told });
}

let lastRequest = 0;

const networking = {
  sendRequest({ method, url, headers, data, responseType }: NativeRequest, callback: (id: number) => void): void {
    const id = ++lastRequest;
    callback(id);
    const request = http.request(url, { method, headers, agent: false }, async (response) => {
      const body = Buffer.concat(await response.toArray());
      const told = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
      emit("didReceiveNetworkResponse", [id, response.statusCode, told, url]);
      emit("didReceiveNetworkData", [id, responseType === "blob" ? keep(body) : body.toString("utf8")]);
      complete(id, "");
    });
    requests.set(id, request);
    request.on("error", ({ message }) => complete(id, message));
    request.end(data?.string);
  },
  abortRequest: (id: number): void => void requests.get(id)?.destroy(),
};

function complete(id: number, error: string): void {
  if (requests.delete(id)) emit("didCompleteNetworkResponse", [id, error, false]);
}

let lastBlob = 0;

function keep(body: Buffer): BlobData {
  const blobId = `blob-${++lastBlob}`;
  blobs.set(blobId, body);
  return { blobId, offset: 0, size: body.length };
}

const fileReaderModule = {
  readAsText: async ({ blobId }: BlobData): Promise<string> => blobs.get(blobId)?.toString("utf8") ?? "",
};

/** fetch, WebSocket and what belongs to them as in Libraries/Core/setUpXHR.js, over the sockets of this machine. */
export function installNetwork(): void {
  Object.assign(NativeModules["WebSocketModule"], webSocketModule);
  Object.assign(NativeModules["Networking"], networking);
  Object.assign(NativeModules["BlobModule"], {
    addNetworkingHandler: () => {},
    release: (id: string) => blobs.delete(id),
  });
  NativeModules["FileReaderModule"] = fileReaderModule;
  // XMLHttpRequest looks at Blob as it is loaded, fetch at both.
  Object.assign(globalThis, { Blob: own("Blob/Blob").default, FileReader: own("Blob/FileReader").default });
  Object.assign(globalThis, {
    XMLHttpRequest: own("Network/XMLHttpRequest").default,
    FormData: own("Network/FormData").default,
    URL: own("Blob/URL").URL,
    URLSearchParams: own("Blob/URL").URLSearchParams,
    WebSocket: own("WebSocket/WebSocket").default,
  });
  const { fetch, Headers, Request, Response } = own("Network/fetch");
  Object.assign(globalThis, { fetch, Headers, Request, Response });
}
