"""The suite's Gradio theme, of the same colours as the figures."""

from __future__ import annotations

import gradio as gr

_SANS = ("ui-sans-serif", "system-ui", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace")


def theme() -> gr.themes.Base:
    """The suite's Gradio theme: calm paper, hairlines, one accent; the figures use the same values."""
    blue = gr.themes.Color(
        c50="#eef6fc",
        c100="#d9ebf8",
        c200="#b5d8f1",
        c300="#84bfe6",
        c400="#4a9fd6",
        c500="#0b6bb8",
        c600="#0b6bb8",
        c700="#095796",
        c800="#08487c",
        c900="#063a65",
        c950="#042744",
    )
    grey = gr.themes.Color(
        c50="#f8f9fb",
        c100="#f1f3f6",
        c200="#e4e7ec",
        c300="#d0d5dd",
        c400="#98a2b3",
        c500="#667085",
        c600="#4b5565",
        c700="#353c48",
        c800="#262b33",
        c900="#161a20",
        c950="#0f1115",
    )
    return gr.themes.Base(
        primary_hue=blue,
        secondary_hue=blue,
        neutral_hue=grey,
        spacing_size="sm",  # the figure has to be in view when a visitor arrives
        font=_SANS,
        font_mono=_MONO,
    ).set(
        body_background_fill="#ffffff",
        body_background_fill_dark="#0f1115",
        body_text_color="#16181d",
        body_text_color_dark="#eceef2",
        body_text_color_subdued="#5d6675",
        body_text_color_subdued_dark="#98a2b3",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#0f1115",
        background_fill_secondary="#f8f9fb",
        background_fill_secondary_dark="#161a20",
        block_background_fill="#ffffff",
        block_background_fill_dark="#0f1115",
        block_border_color="#e4e7ec",
        block_border_color_dark="#262b33",
        border_color_primary="#e4e7ec",
        border_color_primary_dark="#262b33",
        block_radius="12px",
        block_shadow="none",
        block_shadow_dark="none",
        block_label_shadow="none",
        input_background_fill="#ffffff",
        input_background_fill_dark="#0f1115",
        input_border_color="#d0d5dd",
        input_border_color_dark="#353c48",
        input_shadow="none",
        input_shadow_focus="none",
        button_primary_background_fill="#0b6bb8",
        button_primary_background_fill_hover="#095796",
        button_primary_background_fill_dark="#1f7cc4",
        button_primary_background_fill_hover_dark="#0b6bb8",
        button_secondary_background_fill="transparent",
        button_secondary_background_fill_dark="transparent",
        button_secondary_background_fill_hover="#f1f3f6",
        button_secondary_background_fill_hover_dark="#161a20",
        button_secondary_border_color="#d0d5dd",
        button_secondary_border_color_dark="#353c48",
        button_secondary_text_color="#353c48",
        button_secondary_text_color_dark="#d0d5dd",
        button_border_width="1px",
        button_border_width_dark="1px",
        button_primary_border_color="#0b6bb8",
        button_primary_text_color="#ffffff",
        button_primary_shadow="none",
        button_primary_shadow_hover="none",
        button_secondary_shadow="none",
        button_secondary_shadow_hover="none",
        button_transition="none",
        link_text_color="#0b6bb8",
        link_text_color_dark="#6cb6f5",
        slider_color="#0b6bb8",
        slider_color_dark="#6cb6f5",
        block_label_text_color="#4b5565",
        block_label_text_color_dark="#98a2b3",
        block_title_text_color="#353c48",
        block_title_text_color_dark="#d0d5dd",
        block_info_text_color="#5d6675",
        block_info_text_color_dark="#98a2b3",
    )
