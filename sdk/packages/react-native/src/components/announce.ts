import { AccessibilityInfo, Platform } from "react-native";

/** Says something as it appears. Android reads `accessibilityLiveRegion` by itself; iOS knows no such thing. */
export function announce(...sentences: readonly string[]): void {
  if (Platform.OS === "ios") AccessibilityInfo.announceForAccessibility(sentences.filter(Boolean).join(". "));
}
