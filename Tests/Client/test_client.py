"""OpenAI's official client against a running server: TRIPTYCH_URL names it, TRIPTYCH_MODEL a model that chats and draws, and
TRIPTYCH_DRAWING_MODEL one that draws while it talks."""

import base64
import io
import os
import time
import unittest

import openai
from openai import OpenAI
from PIL import Image, ImageDraw

MODEL = os.environ.get("TRIPTYCH_MODEL", "llamafusion-shapes")
DRAWING_MODEL = os.environ.get("TRIPTYCH_DRAWING_MODEL", "metamorph-shapes")
QUESTION = "What color is the circle?"
THOUGHT = "Draw what you look at, then answer: what color is the circle?"
# Few steps: it is the way there and back that is tested here.
QUICK = {"num_inference_steps": 2, "seed": 7}


def png() -> bytes:
    """A red circle on white."""
    image = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(image).ellipse((16, 16, 48, 48), fill="red")
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def about_picture(text: str) -> list[dict]:
    """A message of a picture and a question, as OpenAI has them."""
    url = "data:image/png;base64," + base64.b64encode(png()).decode()
    parts = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


class ClientTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.client = OpenAI(base_url=os.environ["TRIPTYCH_URL"].rstrip("/") + "/v1", api_key="none", max_retries=0)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.client.close()

    def chat(self, messages: list[dict] | str, **fields):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return self.client.chat.completions.create(model=MODEL, messages=messages, **fields)


class ChatTests(ClientTest):
    def test_message_is_answered(self) -> None:
        reply = self.chat("What color is grass?", max_completion_tokens=16)
        self.assertEqual(reply.object, "chat.completion")
        self.assertEqual(reply.model, MODEL)
        choice = reply.choices[0]
        self.assertEqual(choice.message.role, "assistant")
        self.assertIsInstance(choice.message.content, str)
        self.assertIn(choice.finish_reason, ("stop", "length"))
        usage = reply.usage
        self.assertGreater(usage.prompt_tokens, 1)
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        self.assertLessEqual(usage.completion_tokens, 16)

    def test_stream_is_the_plain_reply_in_pieces(self) -> None:
        fields = {"messages": about_picture(QUESTION), "max_tokens": 24, "temperature": 1.0, "seed": 3}
        plain = self.chat(**fields)
        chunks = list(self.chat(**fields, stream=True, stream_options={"include_usage": True}))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        self.assertEqual(text, plain.choices[0].message.content)
        self.assertEqual(chunks[-2].choices[0].finish_reason, plain.choices[0].finish_reason)
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage, plain.usage)

    def test_client_puts_a_stream_together(self) -> None:
        messages = [{"role": "user", "content": "What color is the sky?"}]
        with self.client.chat.completions.stream(model=MODEL, messages=messages, max_tokens=8) as stream:
            for _ in stream:
                pass
            whole = stream.get_final_completion()
        self.assertEqual(whole.choices[0].message.content, self.chat(messages, max_tokens=8).choices[0].message.content)

    def test_picture_is_asked_about(self) -> None:
        reply = self.chat(about_picture(QUESTION), max_tokens=24)
        answer = self.client.post(
            "/answers",
            cast_to=object,
            body={
                "model": MODEL,
                "question": QUESTION,
                "image": "data:image/png;base64," + base64.b64encode(png()).decode(),
                "max_tokens": 24,
            },
        )
        self.assertTrue(answer["answer"])
        self.assertEqual(reply.choices[0].message.content, answer["answer"])

    def test_conversation_goes_on(self) -> None:
        messages = about_picture(QUESTION)
        first = self.chat(messages, max_tokens=16).choices[0].message
        messages += [first.model_dump(), {"role": "user", "content": "How many circles are there?"}]
        second = self.chat(messages, max_tokens=16)
        self.assertGreater(second.usage.prompt_tokens, 16)
        self.assertIsInstance(second.choices[0].message.content, str)

    def test_several_replies_with_log_probabilities(self) -> None:
        reply = self.chat("What color is grass?", n=2, temperature=1.5, logprobs=True, top_logprobs=3, max_tokens=6)
        self.assertEqual([choice.index for choice in reply.choices], [0, 1])
        for choice in reply.choices:
            for token in choice.logprobs.content:
                self.assertLessEqual(token.logprob, 0)
                self.assertEqual(len(token.top_logprobs), 3)

    def test_stop_string_ends_the_reply(self) -> None:
        whole = self.chat(about_picture(QUESTION), max_tokens=24).choices[0].message.content
        self.assertGreater(len(whole), 1)
        reply = self.chat(about_picture(QUESTION), max_tokens=24, stop=[whole[1]])
        self.assertEqual(reply.choices[0].message.content, whole[: whole.index(whole[1])].strip())
        self.assertEqual(reply.choices[0].finish_reason, "stop")

    def test_hung_up_stream_cancels_its_job(self) -> None:
        stream = self.chat("What color is grass?", stream=True, max_tokens=512)
        job = next(iter(stream)).id
        stream.close()
        status = ""
        for _ in range(100):
            status = self.client.get(f"/jobs/{job}", cast_to=object)["status"]
            if status not in ("queued", "in_progress"):
                break
            time.sleep(0.05)
        # A short reply may have been quicker than the hang-up.
        self.assertIn(status, ("cancelled", "completed"))


class PictureTests(ClientTest):
    def check(self, reply, count: int) -> None:
        self.assertEqual(len(reply.data), count)
        for picture in reply.data:
            image = Image.open(io.BytesIO(base64.b64decode(picture.b64_json)))
            self.assertEqual(image.format, "PNG")
            self.assertEqual((image.width, image.height), (picture.width, picture.height))

    def test_picture_is_drawn(self) -> None:
        reply = self.client.images.generate(
            model=MODEL, prompt="a red circle", n=2, response_format="b64_json", extra_body=QUICK
        )
        self.check(reply, 2)
        self.assertEqual([picture.seed for picture in reply.data], [7, 8])

    def test_picture_is_edited(self) -> None:
        reply = self.client.images.edit(
            model=MODEL, image=("circle.png", png(), "image/png"), prompt="make the circle blue", extra_body=QUICK
        )
        self.check(reply, 1)


class DrawingReplyTests(ClientTest):
    """A reply of a picture and words."""

    def reply(self, **fields):
        return self.client.chat.completions.create(
            model=DRAWING_MODEL, messages=about_picture(THOUGHT), extra_body=QUICK, **fields
        )

    def check(self, url: str) -> None:
        kind, data = url.split(",", 1)
        self.assertEqual(kind, "data:image/png;base64")
        self.assertEqual(Image.open(io.BytesIO(base64.b64decode(data))).format, "PNG")

    def test_picture_stands_among_the_words(self) -> None:
        picture, words = self.reply().choices[0].message.content
        self.assertEqual((picture["type"], words["type"]), ("image_url", "text"))
        self.check(picture["image_url"]["url"])
        self.assertEqual(words["text"].strip(), "red")

    def test_picture_is_one_piece_of_a_stream(self) -> None:
        deltas = [chunk.choices[0].delta.content for chunk in self.reply(stream=True) if chunk.choices]
        pictures = [part for delta in deltas if isinstance(delta, list) for part in delta if part["type"] == "image_url"]
        self.assertEqual(len(pictures), 1)
        self.check(pictures[0]["image_url"]["url"])
        self.assertEqual(pictures[0], self.reply().choices[0].message.content[0])


class ErrorTests(ClientTest):
    def test_unknown_model_is_not_found(self) -> None:
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "hi"}])
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaises(openai.NotFoundError):
            self.client.images.generate(model="gpt-image-1", prompt="a cat")

    def test_invalid_value_is_a_bad_request(self) -> None:
        for fields, param in [
            ({"temperature": 3}, "temperature"),
            ({"extra_body": {"temprature": 1}}, "temprature"),
            ({"frequency_penalty": 0.5}, "frequency_penalty"),
            ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
            ({"stream": True, "n": 0}, "n"),
        ]:
            with self.assertRaises(openai.BadRequestError) as caught:
                self.chat("hi", **fields)
            self.assertEqual(caught.exception.param, param)
        with self.assertRaises(openai.BadRequestError) as caught:
            self.chat([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}])
        self.assertEqual(caught.exception.code, "image_url_not_allowed")
        with self.assertRaises(openai.BadRequestError):
            self.client.images.generate(model=MODEL, prompt="a cat", size="1x1")

    def test_models_are_listed(self) -> None:
        self.assertIn(MODEL, [model.id for model in self.client.models.list()])
        self.assertEqual(self.client.models.retrieve(MODEL).id, MODEL)


if __name__ == "__main__":
    unittest.main()
