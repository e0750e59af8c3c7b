// The minute's tour: four things to try, each ticked when it was seen to happen.

import { type ReactNode, useState } from "react";
import type { Mail } from "./backEnd.ts";
import type { Sent } from "./watching.ts";

export interface StepsProps {
  readonly sent: readonly Sent[];
  readonly mails: readonly Mail[];
  readonly everybodyIsBack: boolean;
}

export function Steps({ sent, mails, everybodyIsBack }: StepsProps): ReactNode {
  const now = [
    sent.some((one) => chosen(one).includes("in_app")),
    sent.some((one) => chosen(one).includes("email")),
    mails.length > 0,
    mails.length > 0 && everybodyIsBack,
  ];
  const [done, setDone] = useState(now);
  const next = done.map((before, index) => before || now[index] === true);
  if (next.some((value, index) => value !== done[index])) setDone(next);
  return (
    <ol className="steps">
      <Step done={done[0]}>Order something as Ada. She is on the page, so it appears there.</Step>
      <Step done={done[1]}>Switch Ada offline and confirm another order.</Step>
      <Step done={done[2]}>Nobody was on the page: it came as a mail.</Step>
      <Step done={done[3]}>Switch her back online. It waits in her inbox too.</Step>
    </ol>
  );
}

function chosen(one: Sent): readonly string[] {
  return one.explanation?.decisions.flatMap((decision) => decision.chosen) ?? [];
}

function Step({ done = false, children }: { readonly done?: boolean | undefined; readonly children: ReactNode }): ReactNode {
  return (
    <li data-done={done}>
      {children}
      {done && <span className="hidden"> (done)</span>}
    </li>
  );
}
