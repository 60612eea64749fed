import { render } from "preact";
import { connect } from "./app";
import { App } from "./view/App";

render(<App />, document.getElementById("app")!);
void connect();
