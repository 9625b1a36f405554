"""Small datasets in the exact layouts of the released ones, drawn for tests."""

import csv
import io
import json
from pathlib import Path

from PIL import Image

READ = (  # layouts that have a function here and a reader of the same name
    "unifybench",
    "conconchi",
    "pervl",
    "pods",
    "perva",
    "pvchat",
    "repic",
    "yollava",
    "mcllava",
    "myvlm",
    "dreambench",
    "mmpb",
    "lamp",
    "personachat",
    "focus",
    "lcmp",
    "pbench",
    "imagefolder",
    "folder",
)
COLOURS = ("red", "green", "blue", "orange", "purple", "teal", "navy", "olive")


def draw(*paths: Path) -> None:
    """A small picture at each path, each of another colour."""
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (16, 16), COLOURS[i % len(COLOURS)]).save(path)


def write(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def replace_in(path: Path, key: str, value) -> None:
    """The JSON file with another value under a key."""
    write(path, {**json.loads(path.read_text(encoding="utf-8")), key: value})


def turns(question: str, answer: str) -> list[dict]:
    return [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}]


def unifybench(root: Path) -> Path:
    """Three concepts: bo and mia are dogs, tom is a person."""
    write(root / "concepts_list.json", ["bo", "mia", "tom"])
    draw(*(root / "random_images" / f"{i}.png" for i in range(3)))
    kinds = {
        "bo": ("dog", "object", "live_subject"),
        "mia": ("dog", "object", "live_subject"),
        "tom": ("man", "human", "live_subject"),
    }
    for name, (noun, conversation, generation) in kinds.items():
        train, test = root / "concept" / "train" / name, root / "concept" / "test" / name
        draw(
            *(train / f"{i}.png" for i in range(3)),
            train / "cropped" / "0.png",
            *(test / f"{i}.png" for i in range(2)),
        )
        draw(train / "negative_example" / "7.png", train / "negative_example" / "8.png")
        write(train / "negative_example" / "score.json", {"7.png": 0.7, "8.png": 0.8})
        info = {
            "class": noun,
            "info": f"<{name}> is small.",
            "extra_info": [f"<{name}> has a red hat."],
        }
        write(
            train / "info.json",
            {**info, "conversation_type": conversation, "generation_type": generation},
        )
        write(
            train / "conversations.json",
            {"0.png": [{"query": f"What is <{name}>?", "answer": f"<{name}> is a {noun}."}]},
        )
        write(
            train / "positive_recognitions.json",
            [
                {
                    "image": f"concept/train/{name}/1.png",
                    "conversations": turns("Is <sks> here?", "Yes."),
                }
            ],
        )
        distractors = [
            {
                "image": "random_images/2.png",
                "conversations": turns(f"Is <{name}> here?", f"No, <{name}> is not."),
            }
        ]
        write(train / "random_recognitions.json", distractors)
        asked = {
            "image": "black_512x512.png",
            "type": "text_only",
            "conversations": turns(f"What has <{name}>?", "A red hat."),
        }
        write(test / "text_only.json", [asked])
        seen = [
            {
                "image": "1.png",
                "type": "vqa",
                "conversations": turns(f"What does <{name}> do?", "It sits."),
            }
        ]
        options = (
            f"What is <{name}> wearing?\nA. a hat\nB. a scarf\nC. nothing\nAnswer with one letter."
        )
        write(
            test / "vqa.json",
            [*seen, {"image": "0.png", "type": "choice", "conversations": turns(options, "B")}],
        )
        write(
            test / "t2i_conditions.json",
            [
                f"A photo of <{name}>.",
                f"A photo of <{name}> wearing her hat.",
                f"<{name}> eating its meal.",
            ],
        )
    return root


def yollava(root: Path) -> Path:
    """Two concepts, questions about bo only."""
    for name in ("bo", "shiba-gray"):
        draw(
            *(root / "train" / name / f"{i}.png" for i in range(3)),
            *(root / "test" / name / f"{i}.png" for i in range(2)),
        )
    options = {"A": "sks's hat", "B": "tasks"}
    seen = {"question": "What is <sks> wearing?", "options": options, "correct_answer": "B"}
    write(root / "yollava-visual-qa.json", {"bo": {"./yollava-data/test/bo/1.png": seen}})
    told = {
        "question": "Does sks like tasks?",
        "option": {"A": "Yes", "B": "No"},
        "correct_answer": "A",
    }
    write(root / "yollava-text-qa.json", {"bo": {"0": told}})
    return root


def yollava_negatives(root: Path) -> None:
    """What Yo'Chameleon adds: look-alikes with scores, and training texts."""
    bo = root / "train" / "bo"
    draw(bo / "negative_example" / "10.png", bo / "negative_example" / "11.png")
    scores = [
        {"image_path": f"/their/{i}.png", "clip_score": i / 100, "distance": float("nan")}
        for i in (10, 11)
    ]
    write(bo / "negative_example" / "scores.json", scores)
    write(
        bo / "recognition_positive.json",
        {
            "../data/train/bo/2.png": [
                {"Human": "Is <bo> here?", "AI": "I can confirm that <bo> is."}
            ]
        },
    )
    distractors = {
        "negative_example/11.png": [
            {"Human": "Is <bo> here?", "AI": "I have looked, and <bo> is not."}
        ]
    }
    write(bo / "recognition_negative-laion.json", distractors)
    write(
        bo / "text-only-conversation.json",
        {"./data/train/bo/0.png": [{"Human": "What color is <bo>?", "AI": "<bo> is red."}]},
    )


def mcllava(root: Path) -> Path:
    """Two concepts in different parts; bo is spelled with a capital."""
    write(root / "scenarios.json", ["Bo_mia"])
    write(root / "concept_type.json", {"Bo": "two_concept", "mia": "three_concept"})
    draw(root / "random-images" / "1.png", root / "random-images" / "2.png")
    for part, name in (("two_concept", "Bo"), ("three_concept", "mia")):
        train, test = (root / part / "concept" / split / name for split in ("train", "test"))
        draw(
            *(train / f"{i}{mask}.png" for i in range(2) for mask in ("", "_mask")),
            *(test / f"{i}.png" for i in range(2)),
        )
        picture = f"/workspace/data/MulBench/{part}/concept/test/{name}/0.png"
        write(
            test / "choice.json",
            {
                picture: {
                    "Human": f"What is <{name}> doing?\nA. sitting\nB. running\nC. sleeping",
                    "AI": "C",
                }
            },
        )
        write(
            test / "vqa.json",
            {picture: {"Human": f"Where is <{name}>?", "AI": f"<{name}> is at home."}},
        )
        write(test / "qa.json", [{"question": f"Is <{name}> tall? A. Yes B. No", "answer": "A"}])
        told = {"0.png": [{"Human": f"Who is <{name}>?", "AI": f"<{name}> is a dog."}]}
        write(root / "4o_generate_training_data" / name / "conversation.json", told)
    return root


def mcllava_scenario(root: Path) -> Path:
    """The scenario of both: three questions of one picture, and where they are."""
    place = root / "two_concept" / "multi" / "Bo_mia"
    draw(place / "0.png", place / "1.png", place / "0_som.png")
    picture = "/workspace/data/MulBench/two_concept/multi/Bo_mia/0.png"
    asked = ("What does <Bo> do?", "What does <mia> do?", "Who is tall, <mia> or <Bo>?")
    rows = [{"Human": f"{text}\nA. one\nB. two\nC. three", "AI": "B"} for text in asked]
    write(place / "choice.json", {picture: rows})
    write(place / "vqa.json", {"0.png": [{"Human": text, "AI": "It sits."} for text in asked]})
    write(place / "qa.json", [{"question": "Do <Bo> and <mia> know each other?", "answer": "Yes."}])
    write(
        place / "position.json",
        {"0.png": {"Bo": "left", "mia": "right"}, "1.png": {"Bo": "left", "mia": None}},
    )
    write(place / "vqa_position.json", {"0.png": [{"Human": "Where is <mia>?", "AI": "Right."}]})
    return root


def conconchi(root: Path) -> Path:
    """Two concepts; two queries of one of them, one of both, and a row that asks nothing."""
    images = root / "data" / "images"
    draw(*(images / f"{name}.jpg" for name in ("bear_0", "bear_1", "cup_0", "a", "b", "c", "d")))
    concepts = {"coarse": ["bear", "cup"], "fine": ["a bear with wings", "a cup of wool"]}

    def row(label: str, own: list[int], gts: list[str], more: list[str] = (), kind: str = "single"):
        named = [f"{name}.jpg" for name in gts]
        other = [f"{name}.jpg" for name in more]
        return {
            **{"LABEL": label, "CONCEPTS": own, "GTS": named},
            **{"ADDITIONAL GTS": other, "KIND": kind},
        }

    learned = [row("*", [0], ["bear_0", "bear_1"]), row("*", [1], ["cup_0"])]
    asked = [
        row("* on a chair", [0], ["a"], ["b", "bear_0"]),
        row("a photo of * beside *", [0, 1], ["b"], kind="double"),
        row("* in * in *", [0, 1], ["c"]),
        row("*", [1], ["d"], kind="negative"),
    ]
    for part, data in (("train", learned), ("test", asked)):
        value = {"concepts": concepts, "max_gts": 3, "max_concepts": 2, "data": data}
        write(root / "data" / "annotations" / f"{part}.json", value)
    return root


def pervl(root: Path) -> Path:
    """One concept of each half, and a caption that names nobody."""
    tables = {
        "ytvos/cleaned_captions_ytvos_test.csv": [
            "image_name,coarse_grained_class,caption,class_id",
            'eval/images/giant_panda_8e_1_00090.jpg,giant_panda,"an * behind a plant, sitting.",giant_panda_8e_1',
        ],
        "deep_fashion/test_captions.csv": [
            "image_name,pair_id,caption",
            "train/image/043380.jpg,3430,a person poses on a white couch.",
            "train/image/043381.jpg,3430,a white couch.",
        ],
        "deep_fashion/train_coarse_grained_names.csv": [
            "unique_pair_ids,pair_id_categories",
            "3430,short sleeve top",
        ],
    }
    for name, lines in tables.items():
        write(root / "annotations" / name, "\n".join(lines) + "\n")
    ytvos, fashion = "data/youtube_vos/retrival_sets/test", "data/deep_fashion2/personalized_test"
    draw(
        *(root / ytvos / "codes_infer" / "giant_panda_8e_1" / f"{i}.jpg" for i in range(2)),
        root / ytvos / "eval" / "test" / "giant_panda_8e_1.jpg",
        root / ytvos / "eval" / "test" / "dog_1.jpg",
        root / fashion / "codes_infer" / "3430" / "043377.jpg",
        *(root / fashion / "eval" / "test" / f"04338{i}.jpg" for i in range(2)),
    )
    return root


def pods(root: Path) -> Path:
    """Two mugs and a hat; ids in two forms, and one of a picture that is not there."""
    classes = {"mug_1": "mug", "mug_2": "mug", "hat_1": "hat"}
    for name in classes:
        draw(*(root / "train" / name / f"{i}.jpg" for i in range(3)))
        draw(*(root / "test" / name / f"{i}.jpg" for i in range(2)))
    draw(root / "test_masks" / "mug_1" / "0.jpg")
    info = {
        "classes": list(classes),
        "class_to_idx": {name: i for i, name in enumerate(classes)},
        "class_to_sc": classes,
        "class_to_split": dict.fromkeys(classes, "test"),
    }
    write(root / "pods_info.json", info)
    of_test = {"class": "mug_1", "split": "test"}
    annotations = {
        "test/mug_1/0.jpg": {**of_test, "test_split": "in_distribution"},
        "mug_1_test_1": {**of_test, "test_split": "pose_and_distractors"},
        "mug_2/0": {**of_test, "class": "mug_2", "test_split": "pose"},
        "mug_1_test_9": {**of_test, "test_split": "pose"},
        "mug_1_train_0": {"class": "mug_1", "split": "train"},
    }
    write(root / "pods_image_annos.json", annotations)
    return root


def perva(root: Path) -> Path:
    """Two mugs and a hat; one name is there in both categories."""
    for category, name in (("mug", "old"), ("mug", "new"), ("red_hat", "old")):
        for part in ("train", "test"):
            draw(*(root / part / category / name / f"{i}.jpg" for i in range(2)))
    return root


def pvchat(root: Path) -> Path:
    """One person: a training clip, and two that are asked about, of which one shows others."""
    frames = root / "videos"
    draw(*(frames / clip / f"{i}.jpg" for clip in ("a_1", "b_2", "c_3") for i in range(6)))
    texts = {
        "Is <sks> in this clip?": ("I have spotted <sks>.", "<sks> is absent."),
        "What is <sks> doing in this clip?": ("<sks> is waving.",),
        "Where is <sks>?": ("In a garden.",),
        "What is <sks> wearing?": ("A red hat.",),
    }

    def video(name: str, positive: bool) -> dict:
        pairs = [
            {"question": q, "answer": a[not positive], "is_special": len(a) == 2}
            for q, a in texts.items()
            if positive or len(a) == 2
        ]
        return {
            "video_name": f"{name}.mp4",
            "video_path": f"/root/tmp/videos/{name}.mp4",
            **{"sks_present": "", "gender": "male", "age": "", "is_positive": positive},
            "qa_pairs": pairs,
        }

    write(root / "train_all_video.json", {"data": [video("a_1", True)]})
    write(root / "test_all_video.json", {"videos": [video("b_2", True), video("c_3", False)]})
    return root


def repic(root: Path) -> Path:
    """Two concepts of a memory, in one picture together and in one alone."""
    draw(*(root / "memory" / f"{name}.png" for name in ("bo", "mia")))
    draw(root / "shown" / "0.png", root / "shown" / "1.png")
    entries = {
        f"<{name}>": {
            "name": name,
            "image": f"memory/{name}.png",
            "info": f"<{name}> is small.",
            "category": "dog",
        }
        for name in ("bo", "mia")
    }
    owners = {entry["image"]: key for key, entry in entries.items()}
    write(root / "database.json", {"concept_dict": entries, "path_to_concept": owners})
    write(root / "queries.json", {"shown/0.png": ["bo"], "shown/1.png": [["bo", "mia"], ["<mia>"]]})
    return root


def myvlm(root: Path) -> Path:
    for name in ("billy_dog", "mug"):
        draw(*(root / name / f"IMG_{i}.jpg" for i in range(6)))
        spoken = name.replace("_", " ")
        captions = {f"IMG_{i}.jpg": [f"{spoken} in a room {i}", f"{name} again"] for i in (0, 5)}
        write(root / name / "captions.json", captions)
        asked = {
            f"/their/MyVLM/{name}/IMG_1.jpg": [
                [f"Where is {spoken}?", f"{spoken} is on the smug table."]
            ]
        }
        write(root / name / "additional_llava_vqa_data.json", asked)
    return root


def dreambench(root: Path) -> Path:
    for name in ("dog6", "teapot"):
        draw(*(root / name / f"{i:02d}.jpg" for i in range(3)))
    form = "'a {0} {1} %s'.format(unique_token, class_token),"
    lines = [
        "Classes",
        "",
        "subject_name,class",
        "dog6,dog",
        "teapot,teapot",
        "vase,vase",
        "",
        "Prompts",
        "",
    ]
    lines += [
        "Object Prompts",
        "",
        "prompt_list = [",
        form % "on a mirror",
        "'a red {0} {1}'.format(unique_token, class_token)",
        "]",
    ]
    lines += ["Live Subject Prompts", "", "prompt_list = [", form % "wearing a red hat", "]"]
    write(root / "prompts_and_classes.txt", "\n".join(lines))
    return root


def folder(root: Path) -> Path:
    draw(root / "0.png", root / "1.png", root / "negative_example" / "easy_0.png")
    asked = [{"question": "what has <bo>?", "answer": "a hat"}]
    write(
        root / "info.json", {"class": "dog", "extra_info": ["<bo> has a hat."], "questions": asked}
    )
    return root


def lamp(root: Path) -> Path:
    """LaMP-3: two questions of dev, and one of test without an output."""
    profile = [
        {"id": "11", "text": "a dull lamp", "score": "2", "date": "2014-01-03"},
        {"id": "12", "text": "a bright lamp", "score": "5", "date": "2015-01-03"},
    ]
    asked = "What is the score of the following review on a scale of 1 to 5? review: "
    questions = [
        {"id": "1", "input": f"{asked}a bright, fine lamp", "profile": profile},
        {"id": "2", "input": f"{asked}a dull chair", "profile": profile[:1]},
    ]
    write(root / "dev_questions.json", questions)
    golds = [{"id": "1", "output": "5"}, {"id": "2", "output": "1"}]
    write(root / "dev_outputs.json", {"task": "LaMP_3", "golds": golds})
    write(root / "test_questions.json", questions[:1])
    return root


def personachat(root: Path) -> Path:
    """Two dialogues with original personas, and the same with revised ones."""
    lines = [
        "1 your persona: i like dogs.",
        "2 your persona: i live in a city.",
        "3 hello , who are you ?\ta fan of dogs .\t\tno idea .|a fan of dogs .|no idea .",
        "4 and where ?\tin a city .\t\tin the sea .|in a city .",
        "1 your persona: i eat soup.",
        "2 __SILENCE__\thi , hungry ?\t\thi , hungry ?|never .",
    ]
    write(root / "valid_self_original.txt", "\n".join(lines) + "\n")
    revised = "\n".join(lines).replace("i like dogs", "puppies are my joy")
    write(root / "valid_self_revised.txt", revised.replace("i eat soup", "my bowl is full"))
    return root


def personachat_json(root: Path) -> Path:
    """The first dialogue of `personachat` in the JSON form."""
    history = ["hello , who are you ?"]
    first = {"history": history, "candidates": ["no idea .", "a fan of dogs ."]}
    told = [*history, "a fan of dogs .", "and where ?"]
    second = {"history": told, "candidates": ["in the sea .", "in a city ."]}
    persona = ["i like dogs.", "i live in a city."]
    dialogue = {"personality": persona, "utterances": [first, second]}
    write(root / "personachat_self_original.json", {"train": [], "valid": [dialogue]})
    return root


def focus(root: Path) -> Path:
    """One dialogue of two turns."""
    first = ["Where is this?", "In Rome, which you like."]
    turns_of = [
        {
            "dialogue1": first,
            "persona_candidate": ["I like Rome.", "I have a cat."],
            "persona_grounding": [True, False],
            "knowledge_candidates": ["It is old.", "It is in Rome.", "It is old."],
            "knowledge_answer_index": 1,
        },
        {
            "dialogue2": [*first, "Is it old?", "Very old."],
            "persona_grounding": [False, False],
            "knowledge_candidates": ["It is old.", "It is in Rome."],
            "knowledge_answer_index": 0,
        },
    ]
    persona = ["I like Rome.", "I have a cat."]
    dialogue = {"dialogID": "A 7", "persona": persona, "knowledge": ["It is old."]}
    write(root / "valid_focus.json", {"data": [{**dialogue, "utterance": turns_of}]})
    return root


def lcmp(root: Path) -> Path:
    """One concept with two turns, and a question of each level."""
    place = root / "concept_obj" / "backpack_1"
    draw(place / "img" / "base.png", place / "img" / "sq_1.png")
    write(place / "profile.yaml", 'concept_id: backpack_1\nname: "The Shell"\n')
    write(
        place / "history.yaml",
        """- turn: 1
  log_type: knowledge
  user_input: I call it 'The Shell'. [IMAGE] It was a
    gift.
  assistant_response: Noted.
  image_id: turn_1
- turn: 2
  log_type: event
  user_input: The Shell got a scratch.
  assistant_response: Noted.
  image_id: null
""",
    )
    form = """- id: 1
  type: {kind}
  question: What was The Shell [IMAGE]?
  options:
  - a gift
  - a find
  answer: a gift
  image_id: {image}
"""
    write(place / "easy_question.yaml", form.format(kind="Long Term", image="sq_1"))
    write(place / "hard_question.yaml", form.format(kind="Causal Inference", image="null"))
    return root


MMPB_COLUMNS = [
    "index",
    "question",
    "A",
    "B",
    "C",
    "D",
    "image_path",
    "answer",
    "attribute",
    "category",
    "l2-category",
    "concept",
    "target",
    "name",
    "preference",
    "description_simple",
    "description_moderate",
    "description_detailed",
    "description_super_detailed",
    "prompt",
]


def mmpb(root: Path) -> Path:
    """Two concepts, a row of each kind about the first, and conversations."""
    for name, attribute in (("Rex", "animal"), ("Ann", "human")):
        draw(*(root / attribute / "train" / name / f"{i}.png" for i in range(3)))
    seen = "animal/test/Rex/recognition/0.png"
    other = "animal/test/Rex/preference/food/inconsistent0.png"
    draw(root / seen, root / other, root / "human/test/Ann/recognition/negative0.png")
    common = {
        "preference": "<sks> likes soup.",
        "description_simple": "<sks> is a dog.",
        "description_moderate": "<sks> is a red dog.",
    }
    rex = {"attribute": "animal", "name": "Rex", **common}
    yes_no = {"question": "Is <sks> here? Answer yes or no.", "category": "recognition"}
    rows = [
        {**rex, **yes_no, "image_path": seen, "answer": "Yes", "l2-category": "awareness"},
        {**rex, **yes_no, "image_path": other, "answer": "No", "l2-category": "overconcept"},
        {
            **rex,
            "question": "What would <sks> like here?",
            **{"A": "the soup", "B": "the cake", "C": "nothing"},
            "image_path": other,
            "answer": "A",
            "category": "preference",
            "l2-category": "inconsistency",
            "concept": "food",
        },
        {
            **{**rex, "attribute": "human", "name": "Ann", "description_simple": "<sks> is tall."},
            **yes_no,
            "image_path": "human/test/Ann/recognition/negative0.png",
            "answer": "No",
            "l2-category": "overconcept",
        },
    ]
    table = io.StringIO()
    writer = csv.DictWriter(table, MMPB_COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({"index": str(i), **row} for i, row in enumerate(rows))
    write(root / "dataset.csv", table.getvalue())
    talk = [
        {"role": "user", "content": "Nice weather."},
        {"role": "assistant", "content": "Yes."},
    ]
    write(
        root / "multi_turn/generic_text/multi_turn_conversation.json", {"conversation": [talk] * 2}
    )
    return root


def pbench(root: Path) -> Path:
    """A question that is answerable, and one about somebody who was not introduced."""
    draw(*(root / "images" / f"{name}.png" for name in ("ann", "bob", "scene")))
    images = [f"images/{name}.png" for name in ("ann", "bob", "scene")]
    known = "<image>\nThis is a photo of <Ann>.<image>\nHere you see Bob Lee.<image>\n"
    rows = [
        {
            "image": images,
            "text": f"{known}What is <Ann> doing? A. sleeping beside Bob Lee\nB. running\nAnswer.",
            "value": "A",
            "mode": "answerable",
        },
        {
            "image": images[:1] + images[2:],
            "text": "<image>\nThis photo shows Ann.<image>\nWhat does <Zoe> wear?",
            "value": "I do not know who Zoe is.",
            "mode": "unanswerable",
        },
    ]
    write(root / "p-bench-qa.jsonl", "\n".join(map(json.dumps, rows)))
    return root


def imagefolder(root: Path) -> Path:
    """Hugging Face's: two concepts, captions, questions and a negative; a test split of one row."""
    rows = [
        {
            "file_name": "bo/0.png",
            "concept": "bo",
            "class_noun": "dog",
            "text": "<bo> in the snow.",
        },
        {"file_name": "bo/1.png", "concept": "bo", "facts": ["<bo> has a red hat."]},
        {
            "file_name": "bo/1.png",
            "concept": "bo",
            "question": "what is <sks> doing?",
            "answer": "sitting",
        },
        {
            "file_name": "bo/2.png",
            "concept": "bo",
            "question": "is <bo> here?",
            "answer": "no",
            "grade": "hard",
        },
        {"file_name": "mia/0.png", "label": "mia"},
    ]
    draw(*(root / "train" / f"bo/{i}.png" for i in range(3)), root / "train" / "mia" / "0.png")
    draw(root / "test" / "bo" / "9.png")
    write(root / "train" / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    asked = {"file_name": "bo/9.png", "question": "is <bo> here?", "answer": "yes"}
    write(root / "test" / "metadata.jsonl", json.dumps(asked) + "\n")
    return root
