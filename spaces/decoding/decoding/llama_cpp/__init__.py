"""llama.cpp's dialect: its samplers, under its names, with its defaults and in its order."""
