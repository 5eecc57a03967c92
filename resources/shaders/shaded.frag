#version 330 core
#include "packed.glsl"
#include "mean.glsl"
// The mean of a pixel's samples, darkened by those of the four shadows around it that are of its depth.
uniform sampler2D depths;
uniform sampler2D shadows;
uniform float depth_scale;
uniform float occlusion;    // strength of the shadows
out vec4 color_out;
void main() {
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    float depth = texelFetch(depths, pixel * samples + samples / 2, 0).r;
    ivec2 last = textureSize(shadows, 0) - 1, corner = (pixel - 1) >> 1;
    float dark = 0.0, weight = 1e-4;
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            vec4 texel = texelFetch(shadows, clamp(corner + ivec2(i, j), ivec2(0), last), 0);
            float step_z = abs(depth_in(texel) - depth) * depth_scale;
            float w = 1.0 - smoothstep(0.3, 1.0, step_z);
            vec2 off = vec2(pixel) + 0.5 - 2.0 * vec2(corner + ivec2(i, j)) - 1.0;
            w *= max(2.0 - abs(off.x), 0.1) * max(2.0 - abs(off.y), 0.1);
            dark += w * texel.r;
            weight += w;
        }
    vec4 mean = mean_color(pixel);
    color_out = vec4(mean.rgb * (1.0 - occlusion * dark / weight), mean.a);
}
