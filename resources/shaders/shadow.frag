#version 330 core
#include "packed.glsl"
// Soft shadows between atoms from the depths alone: how much of the surroundings lies nearer to the viewer.
// One value for 2 x 2 pixels, grainy: the next pass smooths it.
uniform sampler2D depths;
uniform int samples;        // along each axis
uniform float depth_scale;  // Å between depth 0 and 1
uniform float reach;        // of the shadows, in samples, at the target
uniform float reach_angstrom;
uniform float eye;
uniform float nearest;      // view depth at depth 0
out vec4 color_out;
void main() {
    ivec2 last = textureSize(depths, 0) - 1;
    ivec2 pixel = ivec2(gl_FragCoord.xy);
    ivec2 at = min((2 * pixel + 1) * samples, last);
    float depth = texelFetch(depths, at, 0).r;
    float z = nearest - depth * depth_scale;
    float r = reach * (eye > 0.0 ? eye / max(eye - z, 0.05 * eye) : 1.0);
    float turn = 6.2831853 * float((pixel.x & 3) * 4 + (pixel.y & 3) * 9 & 15) / 16.0;
    float stretch = float((pixel.x & 3) * 7 + (pixel.y & 3) * 4 & 15) / 16.0;
    float sum = 0.0;
    for (int k = 0; k < 10; ++k) {
        float angle = 2.39996323 * float(k) + turn;
        float off = r * sqrt((float(k) + stretch) / 10.0);
        ivec2 p = clamp(at + ivec2(off * vec2(cos(angle), sin(angle))), ivec2(0), last);
        float nearer = (depth - texelFetch(depths, p, 0).r) * depth_scale / reach_angstrom;
        sum += smoothstep(0.10, 0.9, nearer) * (1.0 - 0.8 * smoothstep(1.8, 6.0, nearer));
    }
    color_out = packed_shadow(depth < 1.0 ? sum / 10.0 : 0.0, depth);
}
