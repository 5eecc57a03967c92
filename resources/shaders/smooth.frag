#version 330 core
#include "packed.glsl"
// The mean over 4 x 4 shadows, one of each turn of the pattern, but only over those of about the same depth.
uniform sampler2D shadows;
uniform float depth_scale;
out vec4 color_out;
void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy), last = textureSize(shadows, 0) - 1;
    float depth = depth_in(texelFetch(shadows, pixel, 0));
    float sum = 0.0, weight = 1e-4;
    for (int j = -2; j < 2; ++j)
        for (int i = -2; i < 2; ++i) {
            vec4 texel = texelFetch(shadows, clamp(pixel + ivec2(i, j), ivec2(0), last), 0);
            float w = 1.0 - smoothstep(0.25, 0.8, abs(depth_in(texel) - depth) * depth_scale);
            sum += w * texel.r;
            weight += w;
        }
    color_out = packed_shadow(sum / weight, depth);
}
