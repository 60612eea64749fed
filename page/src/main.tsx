import { render } from "preact";
import { connect } from "./app";
import { App } from "./view/App";
import { restoreTheme } from "./view/theme";

restoreTheme();
render(<App />, document.getElementById("app")!);
void connect();
