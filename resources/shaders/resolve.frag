#version 330 core
#include "mean.glsl"
out vec4 color_out;
void main() { color_out = mean_color(ivec2(gl_FragCoord.xy)); }
