"""Pretrained networks, tiny and with random weights, in folders with their processors, as the hub has them."""

import torch
import transformers

SIZES = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
ENDS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEXT = SIZES | ENDS | {"vocab_size": 9}
PICTURES = {"size": {"shortest_edge": 10}, "crop_size": {"height": 8, "width": 8}}


def clip(folder):
    vision = SIZES | {"image_size": 8, "patch_size": 4}
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=vision, projection_dim=6)
    return save(folder, transformers.CLIPModel(config), transformers.CLIPImageProcessorPil(**PICTURES))


def videomae(folder, *, fine_tuned=True):
    config = transformers.VideoMAEConfig(
        **SIZES, image_size=8, patch_size=4, num_frames=4, use_mean_pooling=fine_tuned, num_labels=3
    )
    kind = transformers.VideoMAEForVideoClassification if fine_tuned else transformers.VideoMAEModel
    return save(folder, kind(config), transformers.VideoMAEImageProcessorPil(**PICTURES))


def ast(folder):
    strides = {"patch_size": 4, "time_stride": 4, "frequency_stride": 4}
    config = transformers.ASTConfig(**SIZES, **strides, max_length=40, num_mel_bins=8, num_labels=3)
    processor = transformers.ASTFeatureExtractor(num_mel_bins=8, max_length=40)
    return save(folder, transformers.ASTForAudioClassification(config), processor)


def clap(folder, *, fusion=False, padding="repeatpad"):
    swin = {"patch_embeds_hidden_size": 4, "depths": [1, 1], "num_attention_heads": [1, 1], "window_size": 2}
    sound = swin | {"hidden_size": 8, "num_mel_bins": 16, "spec_size": 32, "enable_fusion": fusion}
    text = SIZES | {"vocab_size": 9, "max_position_embeddings": 20}
    config = transformers.ClapConfig(text_config=text, audio_config=sound, projection_dim=6)
    spectrum = {"sampling_rate": 1600, "hop_length": 40, "fft_window_size": 128, "frequency_max": 700}
    processor = transformers.ClapFeatureExtractor(
        **spectrum, feature_size=16, max_length_s=1, padding=padding, truncation="fusion" if fusion else "rand_trunc"
    )
    return save(folder, transformers.ClapModel(config), processor)


def pe_av(folder, vision=None):
    """With another network for single pictures than the released ones, which need the package `timm`."""
    vision = vision or transformers.ViTConfig(**SIZES, image_size=8, patch_size=4, num_labels=6)
    towers = SIZES | {"head_dim": 4}
    codec = {"model_type": "dac", "downsampling_ratios": [2, 2], "encoder_hidden_size": 4, "codebook_dim": 4}
    config = transformers.PeAudioVideoConfig(
        text_config=TEXT | {"model_type": "modernbert", "cls_token_id": 1, "sep_token_id": 2},
        audio_video_config=towers
        | {
            "audio_config": transformers.PeAudioEncoderConfig(dac_config=codec, **towers),
            "video_config": transformers.PeVideoEncoderConfig(vision_config=vision, **towers),
        },
    )
    processor = transformers.PeAudioFeatureExtractor(sampling_rate=1600, hop_length=4)
    return save(folder, transformers.PeAudioVideoModel(config), processor)


def save(folder, model, processor):
    """Write both; the weights are large enough for every part to matter. Returns the model."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 0
            parameter.normal_(mean=0 if fan_in else 1, std=fan_in**-0.5 if fan_in else 0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return model.eval()
