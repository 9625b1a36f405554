"""Small datasets in the exact layouts of the released ones, drawn for tests."""

import json
from pathlib import Path

from PIL import Image

COLOURS = ("red", "green", "blue", "orange", "purple", "teal", "navy", "olive")


def draw(*paths: Path) -> None:
    """A small picture at each path, each of another colour."""
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), COLOURS[i % len(COLOURS)]).save(path)


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def turns(question: str, answer: str) -> list[dict]:
    return [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]


def unifybench(root: Path) -> Path:
    """Three concepts: bo and mia are dogs, tom is a person."""
    write(root / "concepts_list.json", ["bo", "mia", "tom"])
    draw(*(root / "random_images" / f"{i}.png" for i in range(3)))
    kinds = {"bo": ("dog", "object", "live_subject"), "mia": ("dog", "object", "live_subject"), "tom": ("man", "human", "live_subject")}
    for name, (noun, conversation, generation) in kinds.items():
        train, test = root / "concept" / "train" / name, root / "concept" / "test" / name
        draw(*(train / f"{i}.png" for i in range(3)), train / "cropped" / "0.png", *(test / f"{i}.png" for i in range(2)))
        draw(train / "negative_example" / "7.png", train / "negative_example" / "8.png")
        write(train / "negative_example" / "score.json", {"7.png": 0.7, "8.png": 0.8})
        info = {"class": noun, "info": f"<{name}> is small.", "extra_info": [f"<{name}> has a red hat."]}
        write(train / "info.json", {**info, "conversation_type": conversation, "generation_type": generation})
        write(train / "conversations.json", {"0.png": [{"query": f"What is <{name}>?", "answer": f"<{name}> is a {noun}."}]})
        write(train / "positive_recognitions.json", [{"image": f"concept/train/{name}/1.png", "conversations": turns("Is <sks> here?", "Yes.")}])
        strangers = [{"image": "random_images/2.png", "conversations": turns(f"Is <{name}> here?", f"No, <{name}> is not.")}]
        write(train / "random_recognitions.json", strangers)
        asked = {"image": "black_512x512.png", "type": "text_only", "conversations": turns(f"What has <{name}>?", "A red hat.")}
        write(test / "text_only.json", [asked])
        seen = [{"image": "1.png", "type": "vqa", "conversations": turns(f"What does <{name}> do?", "It sits.")}]
        options = f"What is <{name}> wearing?\nA. a hat\nB. a scarf\nC. nothing\nAnswer with one letter."
        write(test / "vqa.json", [*seen, {"image": "0.png", "type": "choice", "conversations": turns(options, "B")}])
        write(test / "t2i_conditions.json", [f"A photo of <{name}>.", f"A photo of <{name}> wearing her hat.", f"<{name}> eating its meal."])
    return root
