uniform sampler2D colors;
uniform int samples;        // along each axis
// The mean of a pixel's samples.
vec4 mean_color(ivec2 pixel) {
    ivec2 first = pixel * samples;
    vec4 sum = vec4(0.0);
    for (int j = 0; j < samples; ++j)
        for (int i = 0; i < samples; ++i) sum += texelFetch(colors, first + ivec2(i, j), 0);
    return sum / float(samples * samples);
}
