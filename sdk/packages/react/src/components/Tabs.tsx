// Tabs with a roving stop (ARIA Authoring Practices, "Tabs with automatic activation").

import { type KeyboardEvent, type ReactNode, useRef } from "react";

export interface TabsProps<Choice extends string> {
  /** The tabs' ids are `{id}-tab-{choice}`, the panel's is `{id}-panel`. */
  readonly id: string;
  readonly choices: readonly Choice[];
  readonly chosen: Choice;
  readonly labels: Readonly<Record<Choice, string>>;
  readonly onChoose: (choice: Choice) => void;
}

const STEPS: Readonly<Record<string, (index: number, count: number) => number>> = {
  ArrowRight: (index, count) => (index + 1) % count,
  ArrowLeft: (index, count) => (index - 1 + count) % count,
  Home: () => 0,
  End: (_, count) => count - 1,
};

export function Tabs<Choice extends string>({ id, choices, chosen, labels, onChoose }: TabsProps<Choice>): ReactNode {
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const index = STEPS[event.key]?.(choices.indexOf(chosen), choices.length);
    const next = index === undefined ? undefined : choices[index];
    if (index === undefined || !next) return;
    event.preventDefault();
    onChoose(next);
    list.current?.querySelectorAll<HTMLElement>('[role="tab"]')[index]?.focus();
  };
  return (
    <div ref={list} role="tablist" className="hg-tabs" onKeyDown={onKeyDown}>
      {choices.map((choice) => (
        <button
          key={choice}
          type="button"
          role="tab"
          id={`${id}-tab-${choice}`}
          aria-selected={choice === chosen}
          aria-controls={`${id}-panel`}
          tabIndex={choice === chosen ? 0 : -1}
          onClick={() => onChoose(choice)}
        >
          {labels[choice]}
        </button>
      ))}
    </div>
  );
}
