import { render, screen, userEvent } from "@testing-library/react-native";
import { FlatList, Pressable, Text } from "react-native";
test("renders", async () => {
  let n = 0;
  render(<FlatList data={["a", "b"]} renderItem={({ item }) => <Pressable accessibilityRole="button" accessibilityLabel={item} onPress={() => n++}><Text>{item}</Text></Pressable>} />);
  await userEvent.setup().press(screen.getByRole("button", { name: "a" }));
  expect(n).toBe(1);
  require("../src/index.ts");
});
