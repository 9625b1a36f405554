"""Other people's learned tokens, in and out of the concept file. Their rows stand in the order of
ROLES, as ours do.

    yollava            best-token.pt [R, D]  best-lmhead.pt [R, D]      name, 16 shared
    yochameleon        the same two files                               name, 16 generation, 16 understanding
    unictokens         epoch_N_embed.pt [R, D]  epoch_N_lm_head_weight.pt [R, D]  epoch_N_lm_head_bias.pt [R]
                                                                        name, 16 shared, 8 generation, 8 understanding
    textual_inversion  learned_embeds.safetensors {"<bo>": [R, D]}      diffusers'; no head rows, no roles
    peft               adapter_model.safetensors, adapter_config.json   an adapter (`peft.py`); no roles

UniCTokens writes the rows that its stages have reached: 17, 25 or 33. None of these files says a
class noun or a prompt: an import takes the one from the caller, the other from the method. The
memory of RAP holds no tokens: see `data/rap.py`.
"""
