// The last look at a URL before it becomes a link or a picture.

/** The URL if it is an absolute http or https one, else null: never `javascript:`, `data:` or anything else. */
export function safeUrl(url: string | null): string | null {
  if (!url) return null;
  try {
    const { protocol } = new URL(url);
    return protocol === "https:" || protocol === "http:" ? url : null;
  } catch {
    return null;
  }
}
