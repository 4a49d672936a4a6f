"""The text encoder: a vector for each token; the sum of the vectors is the text's meaning."""

import re
from collections import Counter

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tools.lite.corpus import Corpus
from tools.lite.teacher import Array, word_pieces
from tools.lite.wordnet import VOCABULARY_FILES, WordNet

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
EPOCHS, TRAINING_BATCH, LEARNING_RATE, ADAM_BETAS = 14, 1024, 0.02, (0.9, 0.99)
INITIAL_STD = 0.02  # of the table, before training


def build_tokenizer(wordnet: WordNet, corpus: Corpus) -> Tokenizer:
    """Return a tokenizer with BERT's ASCII word pieces and whole words of WordNet."""
    counts: Counter[str] = Counter()
    key_words = set()
    for offset, synset in wordnet.synsets.items():
        if synset.file not in VOCABULARY_FILES:
            continue
        for lemma in synset.lemmas:
            if lemma[0].isupper():
                continue
            for word in re.split("[ -]", lemma.lower()):
                if re.fullmatch("[a-z]{3,14}", word):
                    counts[word] += 1
                    if offset in corpus.key_offsets:
                        key_words.add(word)
    pieces = word_pieces()
    ascii_pieces = [word for word in pieces if re.fullmatch(r"(##)?[a-z0-9]+|[!-/:-@\[-`{-~]", word)]
    whole_words = sorted(word for word in counts if (word in key_words or counts[word] > 1) and word not in pieces)
    vocabulary = SPECIAL_TOKENS + sorted(ascii_pieces, key=pieces.__getitem__) + whole_words
    tokenizer = Tokenizer(
        models.WordPiece(
            {word: number for number, word in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=100
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=True, clean_text=True, handle_chinese_chars=True, strip_accents=True
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return tokenizer


def train(tokenizer: Tokenizer, corpus: Corpus, targets: Array, seed: int = 0) -> Array:
    """Return the table of token vectors [V, D] whose sums come nearest to the targets [N, D] by cosine."""
    ids = [encoding.ids for encoding in tokenizer.encode_batch([example.text for example in corpus.examples])]
    offsets = torch.from_numpy(np.cumsum([0] + [len(tokens) for tokens in ids]))
    flat_ids = torch.from_numpy(np.concatenate([np.array(tokens) for tokens in ids]))
    target_vectors = torch.from_numpy(targets)
    weights = torch.tensor([example.weight for example in corpus.examples], dtype=torch.float32)
    torch.manual_seed(seed)
    table = torch.nn.EmbeddingBag(tokenizer.get_vocab_size(), targets.shape[1], mode="sum")
    table.weight.data.mul_(INITIAL_STD)
    optimiser = torch.optim.Adam(table.parameters(), lr=LEARNING_RATE, betas=ADAM_BETAS)
    count = len(ids)
    steps, step = EPOCHS * -(-count // TRAINING_BATCH), 0
    for _ in range(EPOCHS):
        order = torch.randperm(count)
        for first in range(0, count, TRAINING_BATCH):
            batch = order[first : first + TRAINING_BATCH]
            lengths = offsets[batch + 1] - offsets[batch]
            starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)[:-1]])
            index = torch.repeat_interleave(offsets[batch] - starts, lengths) + torch.arange(int(lengths.sum()))
            cosine = torch.nn.functional.cosine_similarity(table(flat_ids[index], starts), target_vectors[batch], dim=1)
            loss = ((1 - cosine) * weights[batch]).sum() / weights[batch].sum()
            optimiser.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
    trained: Array = table.weight.detach().numpy()
    return trained
