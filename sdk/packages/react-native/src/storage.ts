// What the app keeps things in, made to fit the client: AsyncStorage, MMKV, or any KeyValueStorage.

import type { KeyValueStorage } from "@heliograph/client";

/** What is used of `@react-native-async-storage/async-storage`; hand over its default export. */
export interface AsyncStorageLike {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<void>;
  removeItem(key: string): Promise<void>;
}

/** What is used of an instance of `react-native-mmkv`; `remove` is called `delete` before version 4. */
export type MmkvLike = {
  getString(key: string): string | undefined;
  set(key: string, value: string): void;
} & ({ remove(key: string): unknown } | { delete(key: string): unknown });

export type NativeStorage = KeyValueStorage | AsyncStorageLike | MmkvLike;

/** Any of the three as the client takes it. */
export function keyValueStorage(storage: NativeStorage): KeyValueStorage {
  if ("getItem" in storage) {
    return {
      get: (key) => storage.getItem(key),
      set: (key, value) => storage.setItem(key, value),
      remove: (key) => storage.removeItem(key),
    };
  }
  if ("getString" in storage) {
    return {
      get: (key) => storage.getString(key),
      set: (key, value) => storage.set(key, value),
      remove: (key) => void ("remove" in storage ? storage.remove(key) : storage.delete(key)),
    };
  }
  return storage;
}
