"""What a class noun is a word for: a person, who must have agreed, or something else.

No list can be complete. Words for people are looked for first; of what is neither such a word nor a
known word for an animal or a thing, its owner is asked (`kind:`). So 'abuelita', 'Frau' or a word
in another script never passes because nobody had thought of it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, get_args

from unictoken.core.text import heads_of

Kind = Literal["object", "animal", "person", "style", "user"]
SaidKind = Literal["object", "animal", "person"]  # that an owner chooses among
SAID_KINDS: tuple[SaidKind, ...] = get_args(SaidKind)
LearnedKind = Literal["object", "animal", "person", "user"]  # what `learn` is told
USER: Kind = "user"  # somebody who says what they like: no picture shows them
PEOPLE_KINDS = ("person", "user")  # they need consent, whatever the class noun

# Words that make a class noun a person's: 'man', 'old man', 'the singer next door'. Their plurals
# do too.
_PEOPLE = """
    person people human adult somebody someone celebrity pedestrian me myself self selfie man
    men woman women boy girl child children kid baby infant toddler newborn teenager teen
    adolescent youngster lady gentleman guy dude lad lass schoolboy schoolgirl cowboy cowgirl
    mother mom mommy mum mama father dad daddy papa parent son daughter brother sister sibling
    grandad granny grandma grandpa gran aunt auntie uncle cousin nephew niece husband wife
    wives spouse fiance fiancee bride groom relative friend girlfriend boyfriend neighbour
    neighbor colleague coworker boss roommate flatmate housemate classmate teammate actor
    actress singer rapper musician guitarist pianist dancer artist painter writer author poet
    comedian photographer youtuber athlete player footballer swimmer cyclist wrestler
    politician president minister king queen prince princess priest monk nun soldier sailor
    officer teacher professor student doctor nurse dentist lawyer engineer scientist farmer
    worker chef waiter waitress barista driver pilot nanny
"""
PEOPLE = frozenset(_PEOPLE.split())

# Words that settle that a class noun is none: the last word of it is looked up, as in 'old dog' or
# 'mug with a flag'. Short on purpose. What may mean somebody (model, star, boxer) is not in it.
_THINGS = """
    animal pet creature dog puppy pup doggy hound mutt cat kitten kitty tomcat rabbit bunny
    hare bear panda koala fox wolf pig piglet hog boar cow calf bull ox sheep lamb ram ewe goat
    horse foal pony donkey mule deer stag fawn elk moose reindeer bird parrot parakeet budgie
    cockatiel cockatoo canary finch sparrow crow raven magpie pigeon dove duck duckling goose
    swan chicken hen rooster cockerel turkey peacock owl eagle hawk falcon penguin flamingo
    ostrich emu pelican seagull gull stork heron mouse rat hamster gerbil squirrel chipmunk
    hedgehog ferret weasel otter badger beaver raccoon skunk mole bat lion lioness tiger
    leopard panther cheetah jaguar lynx puma cougar elephant hippo hippopotamus rhino
    rhinoceros giraffe zebra antelope gazelle camel llama alpaca monkey ape gorilla chimpanzee
    orangutan baboon lemur sloth kangaroo wallaby wombat platypus meerkat mongoose hyena frog
    toad newt salamander axolotl turtle tortoise terrapin snake python lizard gecko iguana
    chameleon crocodile alligator caiman dragon dinosaur unicorn fish goldfish koi guppy carp
    trout salmon shark whale dolphin porpoise seal walrus manatee octopus squid jellyfish crab
    lobster shrimp starfish seahorse clam mussel snail slug worm caterpillar butterfly moth bee
    wasp ant beetle ladybird ladybug spider scorpion grasshopper cricket dragonfly fly labrador
    retriever poodle beagle corgi husky malamute pug dachshund terrier spaniel bulldog mastiff
    rottweiler doberman dalmatian greyhound whippet collie sheepdog schnauzer chihuahua
    pomeranian labradoodle cockapoo samoyed akita shiba tabby ragdoll sphynx bengal mustang
    stallion mare cub

    toy doll puppet plush plushie teddy figurine statue statuette sculpture bust robot snowman
    scarecrow gnome mascot balloon ball kite drum train boat car puzzle block brick domino dice
    die yoyo frisbee marble slinky jigsaw lego playset dollhouse rattle

    hat cap beanie bonnet beret fedora sombrero helmet crown tiara headband scarf shawl bandana
    glove mitten coat jacket raincoat parka cloak cape sweater jumper hoodie cardigan shirt
    blouse tshirt top vest suit tuxedo dress gown skirt trouser pant jean short legging sock
    stocking shoe boot sneaker trainer sandal slipper heel loafer clog crocs belt tie bowtie
    button zip apron uniform costume kimono robe pyjama swimsuit bikini sunglass glass goggle
    spectacle watch wristwatch ring necklace bracelet earring brooch pendant bangle locket
    jewel gem bag handbag purse wallet backpack rucksack satchel suitcase briefcase tote pouch
    umbrella parasol cane collar leash harness badge medal mask wig fan lanyard keychain
    keyring key

    mug cup tumbler goblet bowl plate saucer dish tray jug pitcher teapot kettle pot pan wok
    saucepan casserole jar can tin bottle flask thermos canteen carafe vase urn box basket
    crate barrel bucket bin spoon fork knife ladle spatula whisk chopstick corkscrew grater
    colander toaster blender mixer oven stove microwave fridge refrigerator freezer dishwasher
    grill furniture chair armchair stool bench sofa couch ottoman table desk shelf bookshelf
    bookcase cupboard cabinet wardrobe dresser drawer chest bed crib cradle mattress pillow
    cushion blanket quilt duvet sheet towel curtain rug carpet mat lamp lantern lampshade bulb
    chandelier candle candlestick torch flashlight clock mirror frame painting poster postcard
    print drawing book notebook diary magazine newspaper calendar map globe pen pencil crayon
    marker brush paintbrush eraser ruler scissor stapler tape envelope stamp card sign door
    window gate fence stair ladder stepladder shower bath bathtub sink toilet tap faucet soap
    toothbrush comb hairbrush razor broom mop vacuum iron sponge tool hammer screwdriver wrench
    spanner saw drill axe plier nail screw bolt nut wheel rope chain hook spade shovel rake hoe
    wheelbarrow hose pump bell whistle trophy coin note lock padlock safe magnet ornament
    bauble wreath

    phone telephone smartphone iphone tablet ipad laptop computer pc keyboard monitor screen
    printer camera camcorder webcam lens tripod drone projector television tv radio stereo
    headphone earphone microphone console controller joystick gameboy walkman battery charger
    cable remote calculator typewriter machine gadget clockwork engine motor guitar ukulele
    banjo violin viola cello harp piano organ accordion flute clarinet oboe saxophone trumpet
    trombone tuba horn harmonica xylophone tambourine record vinyl cassette turntable racket
    racquet golfball football basketball baseball skateboard scooter surfboard snowboard ski
    skate sledge sled rollerblade trampoline swing slide dumbbell

    vehicle bus taxi cab van minivan truck lorry pickup suv jeep tractor bulldozer excavator
    digger crane ambulance motorcycle motorbike moped bicycle bike tricycle unicycle cart wagon
    carriage pram stroller wheelchair tram subway locomotive ship yacht ferry canoe kayak raft
    dinghy sailboat submarine plane aeroplane airplane aircraft jet helicopter glider rocket
    spaceship satellite house home cottage cabin hut shed barn castle palace tower lighthouse
    church temple mosque cathedral chapel bridge building skyscraper shop store cafe restaurant
    bakery pub hotel school library museum station stadium grandstand garage windmill mill
    monument fountain well tent igloo garden park beach mountain hill lake river waterfall
    island

    plant tree bush shrub hedge flower tulip orchid sunflower daffodil lavender cactus
    succulent bonsai fern moss ivy bamboo palm oak pine fir maple birch willow leaf branch log
    seed acorn pinecone mushroom fruit apple pear orange lemon lime grapefruit banana grape
    strawberry raspberry blueberry blackberry cherry plum peach apricot mango pineapple melon
    watermelon kiwi fig coconut avocado tomato potato carrot onion garlic leek pepper chilli
    cucumber courgette zucchini aubergine eggplant pumpkin squash cabbage lettuce spinach
    broccoli cauliflower pea bean corn beetroot radish bread loaf roll bun bagel croissant
    toast sandwich burger hamburger hotdog pizza pasta spaghetti noodle ramen rice sushi taco
    burrito soup stew curry salad pie cake cupcake muffin cookie biscuit doughnut donut brownie
    pancake waffle pudding icecream chocolate candy sweet lollipop egg omelette cheese butter
    steak sausage bacon ham drink coffee tea juice milk beer wine cocktail lemonade

    thing object item device food meal gift souvenir stone rock pebble shell crystal fossil
    feather bone stick stuff instrument appliance dishware artwork mural logo emblem flag
    banner cloud moon sun snowflake bouquet word
"""
THINGS = frozenset(_THINGS.split())
# Two words of which the last one alone says nothing.
_TWO_WORDS = re.compile(
    r"\b(?:german shepherd|great dane|maine coon|russian blue|shih tzu|chow chow|st bernard"
    r"|saint bernard|action figure|ice cream|rubik'?s cube)s?$"
)
# What holds a person's word, or ends like one, and is no person.
_NO_PERSONS = re.compile(
    r"""
    \b (?: snow(?:wo)?m[ae]n | (?:super|bat|spider|iron|gingerbread|pac|lego)[ -]?m[ae]n | (?:walk|otto|dober|talis|cai)mans?
        | (?:german|roman)(?=[ ]) | ramen | omens? | specimens? | abdomen | stamen | regimen | dolmens? | cyclamen
        | (?:record|cd|dvd|mp3|media|music|cassette|video)[ ]players? | game[ ]?boys? | toy[ ]soldiers? | grandfather[ ]clocks?
        | (?:king|queen)[ ](?:penguin|crab|cobra|bee|bed|size|charles) | adult[ ](?:dog|cat|bird|animal)
        ) \b
    """,
    re.VERBOSE,
)
# before another word: grandson, stepmother, godchild
_OF_A_FAMILY = re.compile(r"(?:great|grand|step|half|foster|god)+(?=.)")
_BY_TRADE = re.compile(r"\w+(?:mans?|men|persons?|people)")  # policeman, firewomen, spokesperson
_POSSESSIVE = re.compile(r"\b\w+['\u2019]s\b")
_IRREGULAR = {"mice": "mouse", "geese": "goose", "oxen": "ox", "dice": "die", "leaves": "leaf"}
# Letters that are there and not seen: marks and format characters by category, and these fillers.
_UNSEEN = ("Cf", "Mn", "Me", "Cc")
_FILLERS = "\u115f\u1160\u2800\u3164\uffa0"


def plain(noun: str) -> str:
    """A class noun as it is looked up: in one form of each letter, without accents and without
    letters that nobody sees.

    >>> plain("GR\\u200bANDMA"), plain("\\uff57oman"), plain("fianc\\u00e9e")
    ('grandma', 'woman', 'fiancee')
    """
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", noun)).casefold()
    seen = (c for c in letters if unicodedata.category(c) not in _UNSEEN and c not in _FILLERS)
    return " ".join("".join(seen).replace("_", " ").split())


def is_person(class_noun: str) -> bool:
    """Whether a class noun is a person's, by whole words: 'old man' and 'policewomen' are;
    'manatee', 'snowman', "neighbour's dog" are not. Of other words nobody can say: `is_thing`.
    """
    said = _NO_PERSONS.sub(" ", _POSSESSIVE.sub(" ", plain(class_noun)))
    return any(map(_is_persons, re.findall(r"\w+", said)))


def is_thing(class_noun: str) -> bool:
    """Whether a class noun is surely no person's: what it is about, 'dog' in 'old dog' or in 'dog
    with a hat', is a known word for an animal or a thing; each, where it is about several.
    """
    heads = heads_of(plain(class_noun))
    return not is_person(class_noun) and bool(heads) and all(map(_is_things, heads))


def _is_persons(word: str) -> bool:
    singulars = _singulars(word)
    singulars |= {_OF_A_FAMILY.sub("", one, count=1) for one in singulars}
    return not PEOPLE.isdisjoint(singulars) or bool(_BY_TRADE.fullmatch(word))


def _is_things(head: str) -> bool:
    if _TWO_WORDS.search(head) or re.search(rf"(?:{_NO_PERSONS.pattern})\s*$", head, re.VERBOSE):
        return True
    # The last word that is one: 'iphone 15', 'mug no. 2'.
    words = [word for word in re.findall(r"[^\W\d_]+", head) if word not in ("no", "nr")]
    return bool(words) and not THINGS.isdisjoint(_singulars(words[-1]))


def _singulars(word: str) -> set[str]:
    """A word and what it may be the plural of."""
    return {
        word,
        word.removesuffix("s"),
        word.removesuffix("es"),
        re.sub("ies$", "y", word),
        re.sub("ves$", "f", word),
        re.sub("ves$", "fe", word),
        _IRREGULAR.get(word, word),
    }
