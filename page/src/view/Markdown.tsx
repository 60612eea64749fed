import type { ComponentChildren } from "preact";
import { lexer } from "marked";
import type { Token, Tokens } from "marked";

/** A model card: Markdown as elements of ours, so that HTML in it is text and nothing is fetched. */
export function Markdown({ text }: { text: string }) {
  return <>{blocks(lexer(withoutFrontMatter(text)))}</>;
}

/** Without the YAML block that cards on Hugging Face begin with. */
export function withoutFrontMatter(text: string): string {
  return text.replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, "");
}

const blocks = (tokens: Token[]): ComponentChildren => tokens.map((token) => block(token as Tokens.Generic));

function block(token: Tokens.Generic): ComponentChildren {
  switch (token.type) {
    case "space": return null;
    case "heading": return <h5>{inline(token)}</h5>;
    case "paragraph": return <p>{inline(token)}</p>;
    case "blockquote": return <blockquote>{blocks(token.tokens ?? [])}</blockquote>;
    case "code": return <pre>{token["text"]}</pre>;
    case "hr": return <hr />;
    case "table": return <Table table={token as Tokens.Table} />;
    case "list": return <List list={token as Tokens.List} />;
    default: return inline(token);
  }
}

function List({ list }: { list: Tokens.List }) {
  const items = list.items.map((item) => <li>{blocks(item.tokens)}</li>);
  return list.ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
}

function Table({ table }: { table: Tokens.Table }) {
  const named = table.header.some((cell) => cell.text);
  return (
    <table>
      {named && <thead><tr>{table.header.map((cell) => <th>{inline(cell)}</th>)}</tr></thead>}
      <tbody>{table.rows.map((row) => <tr>{row.map((cell) => <td>{inline(cell)}</td>)}</tr>)}</tbody>
    </table>
  );
}

/** What is written within a line; of links and pictures their words. */
function inline(token: { tokens?: Token[] | undefined; text?: string }): ComponentChildren {
  if (!token.tokens) return token.text ?? null;
  return token.tokens.map((part) => {
    if (part.type === "strong") return <strong>{inline(part)}</strong>;
    if (part.type === "em") return <em>{inline(part)}</em>;
    if (part.type === "codespan") return <code>{(part as Tokens.Codespan).text}</code>;
    if (part.type === "br") return <br />;
    return inline(part as Tokens.Generic);
  });
}
