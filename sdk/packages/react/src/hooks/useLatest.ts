import { type RefObject, useEffect, useRef } from "react";

/** The newest value for who is called later, without subscribing anew for each. */
export function useLatest<T>(value: T): Readonly<RefObject<T>> {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
