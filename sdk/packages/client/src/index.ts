export { type FieldError, HeliographError } from "./errors.ts";
export { Heliograph } from "./heliograph.ts";
export type {
  Channel as TabChannel,
  Clock,
  Environment,
  HttpRequest,
  HttpResponse,
  KeyValueStorage,
  Signal,
  Socket,
  SocketEvents,
  Tabs,
  Transport,
} from "./ports.ts";
export { browserEnvironment, browserStorage, plainEnvironment } from "./seams/environment.ts";
export { webTransport } from "./seams/transport.ts";
export type * from "./types.ts";
