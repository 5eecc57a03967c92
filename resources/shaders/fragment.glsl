uniform vec3 background;
uniform float fog;
uniform float outline;
uniform float specular;
out vec4 color_out;

vec4 pixel(vec3 color) { return vec4(color.bgr, 1.0); }  // blue first, as Qt wants it
void ray(vec3 q, out vec3 origin, out vec3 direction) {
    if (eye > 0.0) { origin = vec3(0.0, 0.0, eye); direction = normalize(q - origin); }
    else { origin = vec3(q.xy, 0.0); direction = vec3(0.0, 0.0, -1.0); }
}
float depth_of(float z) { return clamp((zrange.x - z) / (zrange.x - zrange.y), 0.0, 1.0); }
vec3 faded(vec3 color, float z) {
    return mix(color, background, fog * smoothstep(0.12, 0.95, depth_of(z)));
}
vec3 shaded(vec3 base, vec3 normal, vec3 direction, float gloss) {
    const vec3 key = normalize(vec3(-0.45, 0.62, 0.78));
    const vec3 fill = normalize(vec3(0.75, -0.25, 0.45));
    float facing = clamp(dot(normal, -direction), 0.0, 1.0);
    float light = 0.46 + 0.10 * normal.y;
    float lit = dot(normal, key);
    light += 0.52 * max(lit * 0.85 + 0.15, 0.0) + 0.10 * max(dot(normal, fill), 0.0);
    vec3 color = base * light;
    vec3 halfway = normalize(key - direction);
    color += vec3(specular) * gloss * pow(max(dot(normal, halfway), 0.0), 42.0);
    float edge = 1.0 - facing;
    color *= 1.0 - outline * pow(edge, 4.0);
    return clamp(color, 0.0, 1.0);
}
