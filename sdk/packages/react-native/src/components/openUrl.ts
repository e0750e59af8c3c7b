import { Linking } from "react-native";

/** Opens a notification's URL in the app or browser that it belongs to; null is nothing to open. */
export async function openUrl(url: string | null): Promise<void> {
  // The client lets only these through; a look more, since other schemes would start other apps.
  if (url && /^https?:\/\//i.test(url)) await Linking.openURL(url);
}
