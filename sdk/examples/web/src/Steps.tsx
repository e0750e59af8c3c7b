// The minute's tour: four things to try, each ticked when it was seen to happen.

import { type ReactNode, useState } from "react";
import type { Sent } from "./watching.ts";

export interface StepsProps {
  readonly sent: readonly Sent[];
  readonly adaIsThere: boolean;
}

export function Steps({ sent, adaIsThere }: StepsProps): ReactNode {
  const [done, setDone] = useState<readonly boolean[]>([false, false, false, false]);
  const mailed = sent.filter((one) => placesOf(one).includes("email"));
  const now = [
    sent.some((one) => placesOf(one).includes("in_app")),
    mailed.length > 0,
    mailed.some(({ explanation }) => explanation?.status === "sent" || explanation?.status === "delivered"),
    done[2] === true && adaIsThere,
  ];
  const next = done.map((before, index) => before || now[index] === true);
  if (next.some((value, index) => value !== done[index])) setDone(next);
  return (
    <section aria-label="Try it">
      <ol className="steps">
        <Step done={done[0]}>Order something as Ada. She is on the page, so it appears there.</Step>
        <Step done={done[1]}>Switch Ada offline and confirm another order.</Step>
        <Step done={done[2]}>Nobody was on the page: it came as a mail.</Step>
        <Step done={done[3]}>Switch her back online. It waits in her inbox too.</Step>
      </ol>
    </section>
  );
}

function placesOf(one: Sent): readonly string[] {
  return one.explanation?.decisions.flatMap((decision) => decision.chosen) ?? [];
}

function Step({
  done = false,
  children,
}: {
  readonly done?: boolean | undefined;
  readonly children: ReactNode;
}): ReactNode {
  return (
    <li data-done={done}>
      {children}
      {done && <span className="hidden"> (done)</span>}
    </li>
  );
}
