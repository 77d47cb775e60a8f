"""Scoring over HTTP, against a stand-in server that knows the right replies."""

import base64
import io
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from PIL import Image

from shapes.benchmark import ANSWERS, COPIES, EDITS, NEXT, PAIRS, SINGLE, THINKING, Cases, Tally, missed, side_by_side
from shapes.served import TASKS, TASKS_OF, Server, ServerError, score
from shapes.world import Scene, render

CASES = Cases.make(6)


def encoded(scene: Scene) -> str:
    file = io.BytesIO()
    Image.fromarray(render(scene)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def reply_with(scene: Scene) -> dict[str, object]:
    return {"data": [{"b64_json": encoded(scene)}]}


def edited(instruction: str, shown: list[str]) -> Scene:
    """What is to become of one picture or two; an empty instruction asks for the same again."""
    if len(shown) == 2:
        return next(p.result for p in CASES.pairs if [encoded(scene) for scene in p.scenes] == shown)
    if not instruction:
        return next(scene for scene in CASES.copies if [encoded(scene)] == shown)
    return next(c.edit.result for c in CASES.edits if c.edit.instruction == instruction)


def chat_reply(parts: list[dict[str, object]]) -> dict[str, object]:
    """A reply of text and pictures: one to thoughts, which have one picture, one to motions, which have several."""
    *pictures, text = parts
    assert all(part["image_url"]["url"].startswith("data:image/png;base64,") for part in pictures)
    if len(pictures) == 1:
        thought = next(c.thought for c in CASES.thoughts if c.thought.question.text == text["text"])
        scene, word = thought.part, thought.question.answer
    else:
        shown = [part["image_url"]["url"].split(",")[1] for part in pictures]
        scene, word = next(m.result for m in CASES.motions if [encoded(f) for f in m.frames] == shown), ""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + encoded(scene)}}
    content = [picture, {"type": "text", "text": word}] if word else [picture]
    return {"choices": [{"message": {"role": "assistant", "content": content}}]}


class Oracle(BaseHTTPRequestHandler):
    """Replies as a perfect model would; refuses what the API refuses."""

    def do_GET(self) -> None:
        assert self.path == "/v1/models"
        self.reply(200, {"data": [{"id": "perfect", "family": "metaquery"}, {"id": "broken"}]})

    def do_POST(self) -> None:
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = 200, {}
        if fields.get("model") != "perfect":
            status, body = 404, {"error": {"message": "no such model", "code": "model_not_found"}}
        elif self.path == "/v1/images/generations":
            body = reply_with(next(c.scene for c in CASES.single + CASES.several if c.prompt == fields["prompt"]))
        elif self.path == "/v1/images/edits":
            body = reply_with(edited(fields["prompt"], [uri.split("base64,")[1] for uri in fields["images"]]))
        elif self.path == "/v1/answers":
            data = base64.b64decode(fields["image"].split(",")[1])
            shown = Image.open(io.BytesIO(data)).tobytes()
            cases = (c for c in [*CASES.questions, *CASES.strangers, *CASES.confirmations] if render(c.scene).tobytes() == shown)
            body = {"answer": next(c.question.answer for c in cases if c.question.text == fields["question"])}
        elif self.path == "/v1/chat/completions":
            body = chat_reply(fields["messages"][0]["content"])
        self.reply(status, body)

    def reply(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class ServedTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.listener = HTTPServer(("127.0.0.1", 0), Oracle)
        cls.url = f"http://127.0.0.1:{cls.listener.server_port}"
        threading.Thread(target=cls.listener.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.listener.shutdown()
        cls.listener.server_close()

    def test_a_perfect_server_scores_everything(self) -> None:
        tally = score(Server(self.url, "perfect", 10), CASES, list(TASKS), {})
        for name in (SINGLE, ANSWERS, EDITS, THINKING, NEXT, COPIES, PAIRS):
            self.assertEqual(tally.share(f"{name}: all"), 1.0, name)

    def test_all_models_make_one_table(self) -> None:
        self.assertEqual(Server(self.url, None, 10).models(), {"perfect": "metaquery"})
        whole = score(Server(self.url, "perfect", 10), CASES, list(TASKS_OF["metaquery"]), {})
        part = score(Server(self.url, "perfect", 10), CASES, ["draw"], {})
        table = side_by_side({"a": whole, "b": part}).splitlines()
        self.assertEqual(table[0], "| scored | a | b | to reach |")
        self.assertIn(f"| {SINGLE}: all | 3/3 100.0 % | 3/3 100.0 % | 90% |", table)
        self.assertIn(f"| {COPIES}: all | 2/2 100.0 % |  |  |", table)
        self.assertRegex(table[-1], r"\| seconds: an answer \| \d\.\d{3} \|  \| 0\.5 \|")
        self.assertEqual(missed(whole), [])

    def test_rows_below_their_bar_are_named(self) -> None:
        tally = Tally({f"{EDITS}: all": 3}, {f"{EDITS}: all": 4}, {"an answer": 0.75})
        self.assertEqual(missed(tally), [f"{EDITS}: all 75.0% < 80%", "an answer 0.75 s > 0.5 s"])

    def test_a_refusal_names_its_status_and_reason(self) -> None:
        with self.assertRaisesRegex(ServerError, "404.*no such model"):
            Server(self.url, "other", 10).answer(render([*CASES.questions, *CASES.strangers, *CASES.confirmations][0].scene), "?")


if __name__ == "__main__":
    unittest.main()
