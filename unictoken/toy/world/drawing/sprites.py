"""Things as rows of letters, 16 pixels wide; the last row stands one pixel below the feet of pets.

    .  what is behind it       #  outline      s  steel     g  glass
    m  its colour, or mark     t  its trim     k  dark      w  white
    n  its colour              d  its colour, darker        y  light

Upright edges stay in one column, so that they are few codes.
"""

from __future__ import annotations

SPRITES = {
    "mug": """
        .########.......
        #nnnnnnnn#......
        #kkkkkkkk#####..
        #mmmmmmmm#tttt#.
        #mmmmmmmm#ttttt#
        #mmmmmmmm###ttt#
        #mmmmmmmm#..#tt#
        #mmmmmmmm#..#tt#
        #mmmmmmmm###ttt#
        #mmmmmmmm#ttttt#
        #mmmmmmmm#tttt#.
        #mmmmmmmm#####..
        #dddddddd#......
        .########.......
        """,
    "ball": """
        .....######.....
        ...##tttttt##...
        ..#nnttttttnn#..
        .#mmmmttttmmmm#.
        .#mmmmmmmmmmmm#.
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        .#mmmmmmmmmmmm#.
        .#mmmmmmmmmmmm#.
        ..#dddddddddd#..
        ...##dddddd##...
        .....######.....
        """,
    "robot": """
        .......##.......
        ......#yy#......
        .......##.......
        ..############..
        ..#nnnnnnnnnn#..
        ..#nttnnnnttn#..
        ..#nttnnnnttn#..
        ..#nnnnnnnnnn#..
        ..#nnkkkkkknn#..
        ..############..
        ....#ssssss#....
        ################
        #s#mmmmmmmmmm#s#
        #s#mmmmmmmmmm#s#
        #s#mmmmmmmmmm#s#
        #s#mmmmmmmmmm#s#
        ###mmmmmmmmmm###
        ..#mmmmmmmmmm#..
        ..############..
        ...#sss##sss#...
        ...#sss##sss#...
        ...##########...
        """,
    "drum": """
        .......##....##.
        ......#tt#..#tt#
        .....#ttt#.#ttt#
        ....#ttt#.#ttt#.
        ..####t#####t###
        .#wwttwwwwttwww#
        #wwwttwwwwttwww#
        ##wwwwwwwwwwww##
        #m############m#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        ##mmmmmmmmmmmm##
        .#dddddddddddd#.
        ..############..
        """,
    "kite": """
        .......##.......
        ......#mm#......
        .....#mmmm#.....
        ....#mmmmmm#....
        ...#mmmmmmmm#...
        ..#mmmmmmmmmm#..
        .#mmmmmmmmmmmm#.
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        .#mmmmmmmmmmmm#.
        ..#mmmmmmmmmm#..
        ...#mmmmmmmm#...
        ....#mmmmmm#....
        .....#mmmm#.....
        ......#mm#......
        ...######.......
        ...#tttt#.......
        ...#tttt#####...
        ...#####tttt#...
        .......#tttt#...
        .......######...
        """,
    "car": """
        ....########....
        ...#gggg#ggg#...
        ..#ggggg#gggg#..
        .#gggggg#ggggg#.
        ################
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmyy#
        #mmmmmmmmmmmmyy#
        #mmmmmmmmmmmmmm#
        #mmmmmmmmmmmmmm#
        ##tt########tt##
        .#tttt#..#tttt#.
        .#tttt#..#tttt#.
        ..####....####..
        """,
    "boat": """
        ........######..
        ........#tttt#..
        ........#tttt#..
        .......#######..
        ......##........
        .....#m#m#......
        .....#m#m#......
        ....#mm#mm#.....
        ....#mm#mm#.....
        ...#mmm#mmm#....
        ...#mmm#mmm#....
        ..#mmmm#mmmm#...
        ..#mmmm#mmmm#...
        .#mmmmm#mmmmm#..
        .#mmmmm#mmmmm#..
        .#############..
        .......##.......
        ################
        #nnnnnnnnnnnnnn#
        #nnnnnnnnnnnnnn#
        .#dddddddddddd#.
        ..############..
        """,
    "train": """
        ########........
        #dddddd#..#####.
        ########..#ttt#.
        .#gggg#....#t#..
        .#gggg#....#t#..
        .#gggg##########
        .#mmmmmmmmmmmmm#
        .#mmmmmmmmmmmmm#
        .#mmmmmmmmmmmyy#
        .#mmmmmmmmmmmyy#
        .#mmmmmmmmmmmmm#
        .#mmmmmmmmmmmmm#
        .#mmmmmmmmmmmmm#
        .#mmmmmmmmmmmmm#
        ################
        .#ss#.#ss#.#ss#.
        .#ss#.#ss#.#ss#.
        ..##...##...##..
        """,
}

STAR = """
    ...##...
    ...##...
    ########
    .######.
    ..####..
    .##..##.
    """
