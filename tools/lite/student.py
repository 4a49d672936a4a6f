"""The text half: a vector for each token, whose sum is the text's meaning."""

import re
from collections import Counter

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tools.lite.corpus import Corpus
from tools.lite.teacher import Array, words
from tools.lite.wordnet import LIVING_AND_MADE, WordNet

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
EPOCHS, BATCH, LEARNING_RATE, BETAS = 14, 1024, 0.02, (0.9, 0.99)
START_SPREAD = 0.02


def tokenizer(wordnet: WordNet, corpus: Corpus) -> Tokenizer:
    """BERT's word pieces of ASCII, and whole words of WordNet's."""
    counts: Counter[str] = Counter()
    needed = set()
    for offset, synset in wordnet.synsets.items():
        if synset.file not in LIVING_AND_MADE:
            continue
        for lemma in synset.lemmas:
            if lemma[0].isupper():
                continue
            for word in re.split("[ -]", lemma.lower()):
                if re.fullmatch("[a-z]{3,14}", word):
                    counts[word] += 1
                    if offset in corpus.key_offsets:
                        needed.add(word)
    pieces = words()
    latin = [word for word in pieces if re.fullmatch(r"(##)?[a-z0-9]+|[!-/:-@\[-`{-~]", word)]
    whole = sorted(word for word in counts if (word in needed or counts[word] > 1) and word not in pieces)
    vocabulary = SPECIAL + sorted(latin, key=pieces.__getitem__) + whole
    made = Tokenizer(
        models.WordPiece(
            {word: number for number, word in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=100
        )
    )
    made.normalizer = normalizers.BertNormalizer(
        lowercase=True, clean_text=True, handle_chinese_chars=True, strip_accents=True
    )
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.add_special_tokens(SPECIAL)
    return made


def train(tokens: Tokenizer, corpus: Corpus, targets: Array, seed: int = 0) -> Array:
    """The table of token vectors [V, D] whose sums come nearest to the targets [N, D] by cosine."""
    ids = [encoding.ids for encoding in tokens.encode_batch([example.text for example in corpus.examples])]
    offsets = torch.from_numpy(np.cumsum([0] + [len(each) for each in ids]))
    flat = torch.from_numpy(np.concatenate([np.array(each) for each in ids]))
    wanted = torch.from_numpy(targets)
    weights = torch.tensor([example.weight for example in corpus.examples], dtype=torch.float32)
    torch.manual_seed(seed)
    table = torch.nn.EmbeddingBag(tokens.get_vocab_size(), targets.shape[1], mode="sum")
    table.weight.data.mul_(START_SPREAD)
    optimiser = torch.optim.Adam(table.parameters(), lr=LEARNING_RATE, betas=BETAS)
    count = len(ids)
    steps, step = EPOCHS * -(-count // BATCH), 0
    for _ in range(EPOCHS):
        order = torch.randperm(count)
        for first in range(0, count, BATCH):
            batch = order[first : first + BATCH]
            lengths = offsets[batch + 1] - offsets[batch]
            starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)[:-1]])
            index = torch.repeat_interleave(offsets[batch] - starts, lengths) + torch.arange(int(lengths.sum()))
            cosine = torch.nn.functional.cosine_similarity(table(flat[index], starts), wanted[batch], dim=1)
            loss = ((1 - cosine) * weights[batch]).sum() / weights[batch].sum()
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    trained: Array = table.weight.detach().numpy()
    return trained
