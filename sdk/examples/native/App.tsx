// The demo: one screen of a shop, with the bell, the inbox and this phone's pushes.

import {
  Bell,
  expoPush,
  HeliographProvider,
  Inbox,
  Preferences,
  Toasts,
  useConnection,
  usePushRegistration,
  useTheme,
} from "@heliograph/react-native";
import AsyncStorage from "@react-native-async-storage/async-storage";
import NetInfo from "@react-native-community/netinfo";
import * as Notifications from "expo-notifications";
import { StatusBar } from "expo-status-bar";
import { type ReactNode, useState } from "react";
import { Button, StyleSheet, Switch, Text, View } from "react-native";
import { SafeAreaProvider, useSafeAreaInsets } from "react-native-safe-area-context";
import { HELIOGRAPH, type Kind, type PersonId, send, userToken } from "./backEnd";

const push = expoPush(Notifications);

export function App(): ReactNode {
  const [person, setPerson] = useState<PersonId>("demo-ada");
  const [offline, setOffline] = useState(false);
  return (
    <SafeAreaProvider>
      <HeliographProvider
        baseUrl={HELIOGRAPH}
        userId={person}
        getToken={() => userToken(person)}
        storage={AsyncStorage}
        netInfo={NetInfo}
        enabled={!offline}
      >
        <Shop person={person} onPerson={setPerson} offline={offline} onOffline={setOffline} />
      </HeliographProvider>
      <StatusBar style="auto" />
    </SafeAreaProvider>
  );
}

interface ShopProps {
  readonly person: PersonId;
  readonly onPerson: (person: PersonId) => void;
  readonly offline: boolean;
  readonly onOffline: (offline: boolean) => void;
}

function Shop({ person, onPerson, offline, onOffline }: ShopProps): ReactNode {
  const { colors } = useTheme();
  const { top, bottom } = useSafeAreaInsets();
  const [inPreferences, setInPreferences] = useState(false);
  return (
    <View style={[styles.screen, { backgroundColor: colors.background, paddingTop: top, paddingBottom: bottom }]}>
      <View style={styles.line}>
        <Text style={[styles.name, { color: colors.text }]}>The harbour shop</Text>
        <Button title={inPreferences ? "Inbox" : "Preferences"} onPress={() => setInPreferences(!inPreferences)} />
        <Bell onPress={() => setInPreferences(false)} />
      </View>
      <Sends person={person} />
      <Pushes person={person} onPerson={onPerson} />
      <Line label="Go offline" value={offline} onChange={onOffline} />
      {inPreferences ? (
        <Preferences categories={[{ id: "marketing.news", label: "News" }]} style={styles.rest} />
      ) : (
        <Inbox />
      )}
      <Toasts top={top} />
    </View>
  );
}

function Sends({ person }: { readonly person: PersonId }): ReactNode {
  const { colors } = useTheme();
  const { status } = useConnection();
  const [problem, setProblem] = useState("");
  const start = (kind: Kind) => {
    send(kind, person).then(
      () => setProblem(""),
      (error: unknown) => setProblem(String(error)),
    );
  };
  return (
    <>
      <View style={styles.line}>
        <Button title="Order" onPress={() => start("order")} />
        <Button title="Alert" onPress={() => start("alert")} />
        <Button title="Campaign" onPress={() => start("campaign")} />
        <Text style={{ color: colors.muted }}>{status}</Text>
      </View>
      {problem !== "" && <Text style={{ color: colors.text }}>{problem}</Text>}
    </>
  );
}

function Pushes({ person, onPerson }: Pick<ShopProps, "person" | "onPerson">): ReactNode {
  const { colors } = useTheme();
  const { status, error, register, unregister } = usePushRegistration(push);
  const signInAsOther = async () => {
    // Before somebody signs out their phone is taken off: the next pushes are another person's.
    await unregister().catch(() => {});
    onPerson(person === "demo-ada" ? "demo-grace" : "demo-ada");
  };
  return (
    <>
      <Line
        label={`Pushes on this phone: ${status}`}
        value={status === "on"}
        onChange={(on) => void (on ? register() : unregister().catch(() => {}))}
      />
      {error && <Text style={{ color: colors.muted }}>{error.message}</Text>}
      <View style={styles.line}>
        <Text style={[styles.rest, { color: colors.text }]}>
          {person === "demo-ada" ? "Ada" : "Grace"} is signed in
        </Text>
        <Button title="Change" onPress={() => void signInAsOther()} />
      </View>
    </>
  );
}

interface LineProps {
  readonly label: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

function Line({ label, value, onChange }: LineProps): ReactNode {
  const { colors } = useTheme();
  return (
    <View style={styles.line}>
      <Text style={[styles.rest, { color: colors.text }]}>{label}</Text>
      <Switch accessibilityLabel={label} value={value} onValueChange={onChange} />
    </View>
  );
}

const styles = StyleSheet.create({
  screen: { flex: 1 },
  line: { flexDirection: "row", alignItems: "center", gap: 8, paddingHorizontal: 12, minHeight: 44 },
  name: { flex: 1, fontSize: 20, fontWeight: "600" },
  rest: { flex: 1 },
});
